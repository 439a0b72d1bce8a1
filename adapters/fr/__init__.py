"""French side: XML of ``contracts/fr/v1`` ⇄ canonical messages."""

from adapters.fr.adapter import FrAdapter

__all__ = ["FrAdapter"]
