"""Machine words as readers know them: who acted, where in the agreement something stands.

English is the key of every translation; what is not known here is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.words import typeset
from gateway.web.console.i18n import N_, Language, translate

_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cli": N_("Command line"),
        "gateway": N_("The gateway"),
        "worker": N_("The gateway (delivery)"),
        "clock": N_("The gateway (time limits)"),
        "alerts": N_("The gateway (alerts)"),
        "as4": N_("The gateway (AS4 endpoint)"),
        "oidc": N_("Sign-in provider"),
    }
)
"""Actors of the audit log that are no person and no other system."""
_SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {"client": N_("UK system {name}"), "party": N_("Access point {name}")}
)
_PERSON: Final = "operator"
BASES: Final = (
    N_("Art"),
    N_("row"),
    N_("step"),
    N_("level"),
    N_("procedure"),
    N_("acknowledgements"),
    N_("fields"),
    N_("forms"),
    N_("references"),
    N_("life of a nomination"),
    N_("families"),
    N_("domain"),
    N_("health data only in the separate certificate"),
)
"""What the agreement's bases are put together from; numbers and letters stay."""
_BETWEEN: Final = re.compile(r"([;,:] )")
_NUMBERED: Final = re.compile(r"(\D+) (\d.*)")


def actor(value: str | None, language: Language) -> str:
    """Who acted, from the audit log's name: a person by their name alone, another system by its kind."""
    if not value:
        return "–"
    if value in _PARTS:
        return translate(_PARTS[value], language)
    kind, _, name = value.partition(":")
    if kind == _PERSON and name:
        return name
    if kind in _SYSTEMS and name:
        return translate(_SYSTEMS[kind], language).format(name=name)
    return value


def basis(value: str | None, language: Language) -> str:
    """Where it stands: ``Art 8; row 6`` or ``art. 8 ; ligne 6``; a dash for nowhere."""
    if not value:
        return "–"
    if language == "en":
        return value
    text = "".join(_piece(piece) for piece in _BETWEEN.split(value))
    return typeset(text.replace(";", " ;").replace(":", " :"))


def _piece(piece: str) -> str:
    numbered = _NUMBERED.fullmatch(piece)
    if numbered is None:
        return translate(piece, "fr")
    return f"{translate(numbered[1], 'fr')} {numbered[2]}"
