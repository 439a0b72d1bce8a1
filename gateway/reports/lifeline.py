"""The life of a case as a drawing: SVG with words in it, no style of its own, no script.

Classes are those of the console's drawings (``console.css``). The page shows the same as a list behind it; a
reader of screens gets a title and a description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final

_WIDTH: Final = 340
_ROW: Final = 46
_TOP: Final = 24
_X: Final = 24
_RADIUS: Final = 9
_TEXT: Final = 48
_SYMBOLS: Final = {"done": "✓", "now": "●", "todo": "○", "goal": "✓", "stopped": "■"}


def draw_line(
    steps: Sequence[Mapping[str, Any]],
    *,
    name: Callable[[str], str],
    when: Callable[[str], str],
    title: str,
    description: str,
) -> str:
    """``steps``: ``line`` of ``gateway.flows.case_page``. ``name``: a state in words; ``when``: an ISO 8601
    instant in words. The drawing is as high as its steps."""
    height = _TOP + _ROW * len(steps)
    names = 'role="img" aria-labelledby="lifeline-title lifeline-text"'
    parts = [
        f'<svg class="drawing lifeline" viewBox="0 0 {_WIDTH} {height}" {names}>',
        f'<title id="lifeline-title">{escape(title)}</title>',
        f'<desc id="lifeline-text">{escape(description)}</desc>',
    ]
    for n in range(len(steps) - 1):
        kind = "axis" if steps[n + 1]["mark"] == "todo" else "one"
        y = _TOP + n * _ROW
        parts.append(
            f'<line class="{kind}" x1="{_X}" y1="{y + _RADIUS + 3}" x2="{_X}" y2="{y + _ROW - _RADIUS - 3}"/>'
        )
    for n, step in enumerate(steps):
        parts += _node(_TOP + n * _ROW, step, name, when)
    return "".join([*parts, "</svg>"])


def _node(
    y: int, step: Mapping[str, Any], name: Callable[[str], str], when: Callable[[str], str]
) -> list[str]:
    mark = step["mark"]
    css = {"goal": "done"}.get(mark, mark)
    if mark == "stopped":
        size = 2 * _RADIUS
        shape = f'<rect class="stopped" x="{_X - _RADIUS}" y="{y - _RADIUS}" width="{size}" height="{size}"/>'
    else:
        shape = f'<circle class="{css}" cx="{_X}" cy="{y}" r="{_RADIUS}"/>'
    look = {"todo": ' class="soft"', "done": ""}.get(mark, ' class="current"')
    found = [shape, f'<text x="{_TEXT}" y="{y + 4}"{look}>{escape(name(step["status"]))}</text>']
    if step["at"] is not None:
        found.append(f'<text class="soft" x="{_TEXT}" y="{y + 20}">{escape(when(step["at"]))}</text>')
    return found


def symbol(mark: str) -> str:
    """The sign of a mark, beside its words, in the list behind the drawing."""
    return _SYMBOLS[mark]
