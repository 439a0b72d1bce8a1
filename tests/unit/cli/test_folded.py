"""Tables in a window that is narrower than they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.folded import folded

ID = "01a20899-b336-7248-8621-2830a3c7776d"
HEAD = ["id", "type", "route", "case", "status", "received"]
ROW = [ID, "ReadmissionRequest", "UK → FR", "GB01-0FNMADVM5KZ7", "accepted", "2026-11-23 13:30:20Z"]


def test_a_row_goes_on_below() -> None:
    """Columns keep their order and stand under their heading; nothing is longer than the window."""
    head, rows = folded(HEAD, [ROW, [*ROW[:4], "held", ROW[5]]], 80)
    assert len(head) == 2
    assert len(rows) == 4
    assert max(map(len, [*head, *rows])) <= 80
    for line in (0, 1):
        for name in head[line].split():
            place = head[line].index(name)
            assert rows[line][place - 1] == " "
            assert rows[line][place] != " "
    assert rows[2].split() == rows[0].split()
    assert "held" in rows[3]


def test_a_sentence_is_broken_between_words_and_an_id_never() -> None:
    """What is longer than the window by itself."""
    text = "It is not tried again by itself. Test the connection to France, then send the message again."
    _, rows = folded(["id", "what helps"], [[ID, text]], 30)
    assert ID in [row.strip() for row in rows]
    assert " ".join(row.strip() for row in rows[1:]) == text
    assert max(map(len, rows[1:])) <= 30


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(
            st.lists(st.text("abc é→✓", max_size=30), min_size=n, max_size=n), min_size=1, max_size=4
        )
    ),
    st.integers(20, 100),
)
def test_nothing_is_lost(rows: list[list[str]], width: int) -> None:
    """Whatever the cells and the window: all words of all rows are there, in order."""
    _, lines = folded([""] * len(rows[0]), rows, width)
    assert " ".join(lines).split() == [word for row in rows for cell in row for word in cell.split()]
