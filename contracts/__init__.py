"""What both states agreed: canonical model, codes, national contracts, the agreement file.

Imports nothing of ours (import-linter enforces it).
"""
