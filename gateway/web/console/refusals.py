"""What the console says when it refuses: one sentence for each code, in the reader's language.

The detail of an error is English (written where the error arises, for the API); it follows the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.web.console.i18n import N_

_OTHER: Final = N_("The gateway could not do this; nothing was changed.")
_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not_found": N_("There is nothing at this address, or it is there no more."),
        "forbidden": N_("Your roles do not allow this. An administrator gives roles."),
        "form_refused": N_(
            "This form is out of date or came from elsewhere. Open the page again and repeat."
        ),
        "invalid_parameter": N_("One of the values is not allowed. Go back and correct it."),
        "bad_cursor": N_("This list has changed. Begin again at its first page."),
        "conflict": N_("This is not possible now: something has changed. Look at the page again."),
        "out_of_sequence": N_("This is not possible now: something has changed. Look at the page again."),
        "unavailable": N_("The database cannot be reached. Nothing was changed; try again in a moment."),
        "rate_limited": N_("Too many requests. Wait a moment and try again."),
    }
)


def sentence(code: str) -> str:
    """English, a key of the translations."""
    return _SENTENCES.get(code, _OTHER)
