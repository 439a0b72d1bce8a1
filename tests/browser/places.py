"""Every page of the console with an address that shows something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.fixtures.shown import Shown

PLACES: Final[Mapping[str, Callable[[Shown], str]]] = {
    "/console": lambda _: "/console",
    "/console/messages": lambda _: "/console/messages",
    "/console/messages/{message_id}": lambda w: f"/console/messages/{w.ids['dead']}",
    "/console/cases/{reference}": lambda w: f"/console/cases/{w.references['asked']}",
}
"""Template of the route → address in the world of ``tests.fixtures.shown``."""
OPEN: Final = frozenset({"/console/login"})
"""Pages without a session; they have tests of their own."""
NO_PAGES: Final = frozenset({"/console/static"})
"""GET routes that answer with something else than a page."""
