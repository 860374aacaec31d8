"""Names from elsewhere: those that are refused, and how the others are shown and made names of files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftvae_rt.names import (
    MAX_NAME,
    file_name,
    json_shown,
    name_fault,
    shown,
)

NAMES = st.text(min_size=1, max_size=MAX_NAME).filter(lambda name: name_fault(name) is None)


@pytest.mark.parametrize("name", ["HAADF", "run 7", "a/b", "..", "Å", "сканирование", "走査", "a@b", "x" * 64, "🔬"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("", "got 0"),
        ("x" * 65, "got 65"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("a\n", r"'\\n'"),
        ("a\x00b", r"'\\x00'"),
        ("\x1b[31mred", r"'\\x1b'"),
        ("a\x9b31m", r"'\\x9b'"),
        ("a\u202eb", r"'\\u202e'"),
        ("a\u200bb", r"'\\u200b'"),
        ("a\u00a0", r"'\\xa0'"),
        ("a\u2028b", r"'\\u2028'"),
    ],
    ids=ascii,
)
def test_names_that_hide_something_are_refused_by_what_it_is(name: str, fact: str) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fact.replace("\\\\", "\\") in fault
    assert fault.isprintable()


def test_a_letter_with_a_meaning_elsewhere_can_be_forbidden() -> None:
    assert "'@'" in str(name_fault("a@b", forbidden="@"))


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    if text.isprintable():
        assert shown(text) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_json_that_is_shown_is_the_same_json_in_one_printable_line(text: str) -> None:
    line = json_shown(json.dumps({"name": text}, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == {"name": text}


@given(NAMES, NAMES)
def test_two_streams_have_two_files_on_every_disk(one: str, other: str) -> None:
    assert (file_name(one).lower() == file_name(other).lower()) == (one == other)


@given(NAMES)
def test_a_file_name_is_safe_everywhere(name: str) -> None:
    made = file_name(name)
    assert len(made) <= 180
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%+")


@pytest.mark.parametrize(
    "names", [("a b", "a/b", "a_b", "a.b", "aéb", "aèb", "ae\u0301b"), ("HAADF", "haadf", "Haadf")]
)
def test_names_that_were_one_file_are_several(names: tuple[str, ...]) -> None:
    assert len({file_name(name).lower() for name in names}) == len(names)


@pytest.mark.parametrize("name", ["nul", "CON", "com1", "Lpt9", "..", "a.", "x" * 64 + ""])
def test_what_windows_takes_for_something_else_is_encoded(name: str) -> None:
    assert file_name(name).partition("+")[0].lower() not in {"nul", "con", "com1", "lpt9"}
    assert "." not in file_name(name)


def test_the_longest_names_fit_on_a_disk_and_stay_apart() -> None:
    assert len({file_name("走" * 63 + last) for last in "走査"}) == 2
