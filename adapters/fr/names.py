"""Names for systems that hold upper-case ASCII of limited length: the agreed transliteration.

The original Unicode always travels beside it and is what is read back; this form is for matching and
print only. Nothing is cut or replaced without a flag.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from anyascii import anyascii

from adapters.fr.mapping import NAME_MAX

_FOREIGN = re.compile(r"[^A-Z0-9' -]+")
REPLACEMENT = "XXX"
"""What stands for a name of which no character can be transliterated (always flagged)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transliteration:
    """``value`` matches ``[A-Z0-9'-]+( [A-Z0-9'-]+)*`` and has at most NAME_MAX characters."""

    value: str
    truncated: bool
    replaced: bool
    """Some character had no counterpart in the allowed set."""


def transliterate(original: str) -> Transliteration:
    """The upper-case ASCII form of a name.

    (1) compose (NFC) and take anyascii's reading, in capitals, its backtick (ayn, hamza) being an
    apostrophe; (2) runs of characters outside A-Z, 0-9, space,
    apostrophe, hyphen become one space, flagged unless they were white space; (3) an empty result is
    REPLACEMENT, flagged; (4) what exceeds NAME_MAX is cut, flagged.
    """
    spaced = " ".join(unicodedata.normalize("NFC", original).split())
    ascii_form = anyascii(spaced).upper().replace("`", "'")  # (1)
    cleaned = _FOREIGN.sub(" ", ascii_form)  # (2)
    lost = cleaned != ascii_form
    lost = lost or any(not c.isspace() and not anyascii(c).strip() for c in spaced)
    value = " ".join(cleaned.split())
    if not value:  # (3)
        return Transliteration(value=REPLACEMENT, truncated=False, replaced=True)
    cut = value[:NAME_MAX].rstrip()  # (4)
    return Transliteration(value=cut, truncated=cut != value, replaced=lost)
