"""UK side: JSON documents of ``contracts/uk/v1`` ⇄ canonical messages."""

from adapters.uk.adapter import UkAdapter

__all__ = ["UkAdapter"]
