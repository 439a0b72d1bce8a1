"""A table for a window that is narrower than it: a row goes on below, with an indent, column under column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = 2
_FIRST: Final = 2
_FURTHER: Final = 4


def folded(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> tuple[list[str], list[str]]:
    """Lines of the headings, and of all rows, up to ``width`` characters. What has no blank is never broken
    (ids are there to be copied): such a line is longer."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = _lines(widths, width)
    below = [line for row in rows for line in _laid(row, widths, lines, width)]
    return list(_laid(headings, widths, lines, width)), below


def _lines(widths: Sequence[int], width: int) -> list[list[int]]:
    """Numbers of the columns that stand in the first, second, … line of a row."""
    lines: list[list[int]] = [[]]
    left = width - _FIRST
    for number, wide in enumerate(widths):
        if lines[-1] and wide > left:
            lines.append([])
            left = width - _FURTHER
        lines[-1].append(number)
        left -= wide + _GAP
    return lines


def _laid(
    row: Sequence[str], widths: Sequence[int], lines: Sequence[Sequence[int]], width: int
) -> Iterator[str]:
    for depth, columns in enumerate(lines):
        text = (" " * _GAP).join(row[n].ljust(widths[n]) for n in columns).rstrip()
        if depth and not text:
            continue
        indent = " " * (_FURTHER if depth else _FIRST)
        if len(indent + text) <= width:
            yield indent + text
            continue
        wrap = textwrap.TextWrapper(
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from wrap.wrap(text)
