"""Connecting a partner: what it gives us, what it must enter, and whether the line works."""
