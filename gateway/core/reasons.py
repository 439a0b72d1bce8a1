"""Why somebody did something: the words that go into the audit log with a decision."""

from __future__ import annotations

import unicodedata
from typing import Final

from gateway.core.errors import InvalidParameter

MAX_REASON: Final = 500
"""Characters."""
_BLANKS: Final = "\t\n\r"
ASKED: Final = f"a reason of 1 to {MAX_REASON} characters is needed"


def is_given(reason: str) -> bool:
    """Whether it says something, and not too much."""
    return bool(reason.strip()) and len(reason) <= MAX_REASON


def require_reason(reason: str) -> None:
    """Raises InvalidParameter, also for control characters: a terminal that shows the log would obey them."""
    if not is_given(reason):
        raise InvalidParameter(ASKED)
    if any(unicodedata.category(sign) == "Cc" and sign not in _BLANKS for sign in reason):
        raise InvalidParameter("a reason holds no control characters")
