"""Answers of commands in lines of a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shiftvae_rt.commands.text import COLUMNS, KEPT, described, wrapped

WORDS = st.lists(st.text("abcdefgh-/.", min_size=1, max_size=40), max_size=30)


@given(WORDS, st.integers(0, 20))
def test_no_word_is_lost_and_every_line_fits(words, column):
    lines = wrapped(" ".join(words), rest=" " * column)
    assert " ".join(lines).split() == words
    assert all(len(line) <= COLUMNS for line in lines)
    assert all(line.startswith(" " * column) for line in lines[1:])


def test_a_word_longer_than_a_line_stays_whole():
    assert wrapped(f"at /{'x' * 90} here", rest="  ") == ["at", f"  /{'x' * 90}", "  here"]


def test_a_line_is_not_broken_at_a_kept_blank():
    found = wrapped(f"{'x' * 74} one{KEPT}nm")
    assert found == ["x" * 74, "one nm"]


def test_what_is_said_of_a_name_stands_in_one_column():
    text = described([("name", "a " * 50), ("", "b"), ("nothing", "")], column=10, indent=2)
    assert {line[:10] for line in text.splitlines()} == {"  name    ", " " * 10, "  nothing"}
