"""Pictures of every page at phone, tablet and desk width in both languages: ``make screenshots``.

All go to ``build/screenshots``, whole; the first screen of the best goes into ``docs/images`` for README and
operator guide.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.browser.places import PLACES
from tests.fixtures import browser as browsers
from tests.fixtures.shown import Shown, demo, trouble

FOLDER: Final = Path("build/screenshots")
KEPT_IN: Final = Path("docs/images")
WIDTHS: Final = (390, 1024, 1600)
_HEIGHT: Final = 1000
KEPT: Final = (
    "console-en-1600",
    "console-fr-390",
    "console-balance-en-1024",
    "console-batches-new-en-1024",
    "console-cases-reference-fr-1024",
    "console-messages-message-id-en-1024",
)
"""Those that the documentation shows."""


def main() -> None:
    """Exit status 1 without Chromium."""
    if browsers.CHROMIUM is None:
        sys.exit(browsers.MISSING)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    KEPT_IN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, demo(Path(temporary)) as world:
        trouble(world)
        photograph(world)


def photograph(world: Shown) -> None:
    """Each page, whole."""
    with browsers.chromium() as chromium:
        for language in ("en", "fr"):
            for width in WIDTHS:
                context = browsers.window(chromium, width, _HEIGHT)
                page = context.new_page()
                signed_in = ""
                for name, place in sorted(PLACES.items(), key=lambda item: (item[1].who, item[0])):
                    if place.who != signed_in:
                        signed_in = place.who
                        context.clear_cookies()
                        browsers.sign_in(page, world.base, signed_in, world.password, language)
                    page.goto(world.base + place.address(world))
                    file = f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{language}-{width}"
                    page.screenshot(path=FOLDER / f"{file}.png", full_page=True)
                    if file in KEPT:
                        page.screenshot(path=KEPT_IN / f"{file}.png")
                context.close()
            print(f"{language}: {len(PLACES)} pages at {len(WIDTHS)} widths")


if __name__ == "__main__":
    main()
