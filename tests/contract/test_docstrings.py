"""Every public docstring says what a user has to know: subject, shapes, units, errors and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from docstring_rules import Subject, faults, public_subjects, without_subject
from numpy.typing import ArrayLike, NDArray

from shiftvae_rt.errors import FrameError, WindowError

PACKAGES = ["shiftvae_rt", "shiftvae_rt.stream", "shiftvae_rt.client", "shiftvae_rt.fleet", "shiftvae_training"]
ROOT = Path(__file__).parents[2]
BOTH_HALVES = sorted([*(ROOT / "shiftvae_rt").rglob("*.py"), *(ROOT / "training").rglob("*.py")])


@pytest.mark.parametrize("package", PACKAGES)
def test_public_docstrings_keep_the_rules(package):
    assert [fault for subject in public_subjects(import_module(package)) for fault in faults(subject)] == []


def test_functions_classes_methods_and_properties_are_read():
    names = {subject.name for subject in public_subjects(import_module("shiftvae_rt"))}
    assert {
        "shiftvae_rt.extract_windows",
        "shiftvae_rt.LatentMapper",
        "shiftvae_rt.LatentMapper.map",
        "shiftvae_rt.LatentMap.centre_y_px",
        "shiftvae_rt.LatentMap.window_scores",
        "shiftvae_rt.ModelFile.read",
    } <= names


@pytest.mark.parametrize("path", BOTH_HALVES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_docstring_of_both_halves_starts_with_its_subject(path):
    assert without_subject(path.read_text(encoding="utf-8")) == []


def test_a_private_docstring_without_a_subject_is_found():
    source = '"""A module."""\ndef _f():\n    """Of a code."""\nclass _C:\n    """A class."""\n'
    assert without_subject(source) == ["Of a code."]


def undocumented(): ...


def no_capital():
    """y of the centres."""


def no_subject():
    """Of a code."""


def a_clause():
    """Whether the frame is there."""


def no_sentence():
    """Planes"""


def unnamed(path, frames):
    """Read some `frames`."""


def unlisted(path, frames):
    """Read some frames.

    Parameters
    ----------
    path
        The file.
    """


def stale(path):
    """Read a file.

    Parameters
    ----------
    path, mode
        The file, and how.
    """


def shapeless(frame: NDArray, mask: ArrayLike | None = None):
    """Fill a frame.

    Parameters
    ----------
    frame
        Raw pixels.
    mask
        ``(height, width)``, True where the pixel counts.
    """


def shapeless_result(path: str) -> NDArray:
    """Read the frame in the file `path`."""


def unit_of_its_name(timeout_s: float, width_px: int):
    """Wait up to `timeout_s` seconds for a line of `width_px`."""


def unit_of_a_float(floor: float):
    """Divide by no less than `floor`."""


def unit_of_the_result_px() -> float:
    """Width of a window."""


def raises():
    """Refuse a frame.

    Raises
    ------
    ValueError
        always.
    """
    raise WindowError("no")


def raises_in_a_helper(frame):
    """Check a `frame` and use it."""
    _check(frame)


def raises_what_a_helper_makes(frame):
    """Check a `frame` and use it."""
    raise _made(frame)


def _check(frame):
    raise FrameError(f"no {frame}")


def _made(frame) -> FrameError:
    return FrameError(f"no {frame}")


@dataclass
class FieldsWithoutText:
    size: int


@dataclass
class UnnamedField:
    """A window of some `size`."""

    size: int
    step_px: int


class RaisesWhenMade:
    """A window."""

    def __init__(self):
        self._refuse()

    def _refuse(self):
        raise WindowError("no")


@pytest.mark.parametrize(
    ("thing", "fault"),
    [
        (undocumented, "has no docstring"),
        (no_capital, "starts with 'y of the centres.', expected a capital"),
        (no_subject, "starts with 'Of', expected a subject or a verb"),
        (a_clause, "starts with 'Whether', expected a subject or a verb"),
        (no_sentence, "its first paragraph 'Planes' is no sentence"),
        (unnamed, "does not name the parameter path"),
        (unlisted, "does not name the parameter frames"),
        (stale, "names a parameter mode that the signature lacks"),
        (shapeless, "gives no shape of frame"),
        (shapeless_result, "gives no shape of the result"),
        (unit_of_its_name, "gives no unit of width_px"),
        (unit_of_a_float, "gives no unit of floor"),
        (unit_of_the_result_px, "gives no unit of the result"),
        (raises, "raises WindowError, which is in no section Raises"),
        (raises_in_a_helper, "raises FrameError, which is in no section Raises"),
        (raises_what_a_helper_makes, "raises FrameError, which is in no section Raises"),
        (FieldsWithoutText, "has no docstring"),
        (UnnamedField, "does not name the parameter step_px"),
        (RaisesWhenMade, "raises WindowError, which is in no section Raises"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_docstring_that_breaks_a_rule_is_told(thing, fault):
    found = faults(Subject("it", thing))
    assert f"it: {fault}" in found
    assert len(found) <= 2  # a unit cannot be given for what is not named


def good(frame: NDArray, *, edge_nm: float, floor: float = 0.0) -> NDArray:
    """Normalise a frame.

    Parameters
    ----------
    frame
        ``(height, width)``.
    edge_nm, floor
        Edge of a pixel in nm, and the least scale in units of the frame.

    Returns
    -------
    ndarray
        ``(height, width)`` float32.

    Raises
    ------
    WindowError, FrameError
        for frames that are too small.
    """
    _check(frame)
    raise WindowError("no")


def short(rows: ArrayLike, wait_s: float) -> NDArray:
    """Append the lines ``rows (n, width)`` within `wait_s` seconds, and give ``(rows, cols)``."""


@pytest.mark.parametrize("thing", [good, short])
def test_a_docstring_that_keeps_them_passes(thing):
    assert faults(Subject("it", thing)) == []
