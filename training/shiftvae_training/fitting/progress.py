"""Progress of a training for the user: its stages in words, and the steps of the optimiser.

A terminal shows a bar for the optimiser, a notebook one bar for the whole training; elsewhere (a log, a batch queue)
there is a line after every tenth of the steps.
"""

from __future__ import annotations

import sys
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any

from shiftvae_rt.commands.text import say

if TYPE_CHECKING:
    from .course import Step

__all__ = ["Progress"]

#: Format of the bar for 80 columns, of which the bar itself takes about 20.
_BAR = "{percentage:3.0f} %|{bar}| {n_fmt}/{total_fmt}, {remaining} to go{postfix}"
_LINES = 10


class Progress:
    """Progress display on stderr or in the notebook; a context manager that closes the bar.

    Parameters
    ----------
    steps
        Number of optimiser steps.
    shown
        Whether to show anything.
    """

    def __init__(self, steps: int, *, shown: bool = True) -> None:
        self._steps, self._shown = steps, shown
        self._notebook_bar = _bar_of_a_notebook() if shown else None
        self._bar: Any = None
        self._tenths = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()

    def stage(self, words: str) -> None:
        """Show in words what begins now, or what was found."""
        if not self._shown:
            return
        if self._notebook_bar is not None:
            if self._bar is None:
                self._bar = self._notebook_bar(total=self._steps)
            self._bar.set_description_str(words)
            return
        self._end_bar()
        say(words)

    def step(self, step: Step) -> None:
        """Show the progress of the optimiser at one look."""
        about = f"loss {step.loss:.1f}, noise {step.noise_sd:.3f}"
        if not self._shown:
            return
        if self._notebook_bar is not None or sys.stderr.isatty():
            self._draw(step.step, about)
        elif (tenths := _LINES * step.step // self._steps) > self._tenths:
            self._tenths = tenths
            percent = 100 * tenths // _LINES
            say(f"{percent} %, step {step.step} of {self._steps}, {about}")

    def _draw(self, done: int, about: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._steps, file=sys.stderr, bar_format=_BAR, dynamic_ncols=True)
        self._bar.set_postfix_str(about, refresh=False)
        self._bar.update(done - self._bar.n)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bar_of_a_notebook() -> Any:
    """Class of tqdm's notebook bar; None outside a notebook, and in a notebook without ipywidgets."""
    if "IPython" not in sys.modules:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm warns when ipywidgets is missing; lines are shown then
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook
    return tqdm if issubclass(tqdm, tqdm_notebook) else None
