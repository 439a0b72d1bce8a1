"""The table of ``docs/alerts.md``, made from the kinds: ``python -m gateway.alert_page``; a test keeps it
current."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.core.alert_kinds import KINDS, SEVERITY_WORDS, SIDE_WORDS

PAGE: Final = Path("docs/alerts.md")
BEGIN: Final = "<!-- kinds: made by python -m gateway.alert_page -->"
END: Final = "<!-- end of kinds -->"


def table() -> str:
    """Markdown: one row for each kind."""
    rows = [
        "| kind | name (EN / FR) | severity | side at fault | one alert for | cleared when |",
        "|---|---|---|---|---|---|",
    ]
    for spec in KINDS.values():
        cells = (
            f"`{spec.kind.value}`",
            f"{spec.name.en} / {spec.name.fr}",
            SEVERITY_WORDS[spec.severity].en,
            SIDE_WORDS[spec.side].en,
            spec.incident.en,
            spec.cleared.en,
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def renewed(page: str) -> str:
    """The page with the table of now. Raises ValueError when the marks are missing."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError("docs/alerts.md has lost the marks of its table")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
