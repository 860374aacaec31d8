"""What a training is doing, for a person who waits: stages in words, and how far the optimiser is.

In a terminal the optimiser has a bar; elsewhere (a log, a notebook, a batch queue) a line every tenth of the steps.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from shiftvae_rt.commands.text import say

if TYPE_CHECKING:
    from ..fitting.optimise import Step

__all__ = ["CHECKING", "Progress"]

#: The stage after a training.
CHECKING = "comparing the exported model with torch, drawing the report ..."

#: The bar takes what 80 columns leave: about 20 of them.
_BAR = "{percentage:3.0f} %|{bar}| {n_fmt}/{total_fmt}, {remaining} to go{postfix}"
_LINES = 10


class Progress:
    """Says on stderr what a training does; a context that ends the bar.

    Parameters
    ----------
    steps
        Steps of the optimiser.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._bar: Any = None
        self._tenths = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()

    def stage(self, words: str) -> None:
        """Say what begins now, or what was found."""
        self._end_bar()
        say(words)

    def step(self, step: Step) -> None:
        """Say how far the optimiser is."""
        about = f"loss {step.loss:.1f}, noise {step.noise_sd:.3f}"
        if sys.stderr.isatty():
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
