"""The UK side of the agreed contract: JSON over HTTPS."""
