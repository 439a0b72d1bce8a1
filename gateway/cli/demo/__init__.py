"""``passerelle demo``: everything embedded, the whole story, real signed and encrypted messages."""
