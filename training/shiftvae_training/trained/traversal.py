"""Traversals: windows that a model draws along one latent, or over the plane of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.pictures.figure import colour_map, new_figure
from shiftvae_rt.pictures.notebook import table_and_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Traversal", "points_of"]

#: Side of one drawing, and width of the surroundings of all, inches.
SIDE, AROUND = 0.85, 0.7
#: Blank px between drawings.
GAP = 2


@dataclass(frozen=True, repr=False)
class Traversal:
    """Windows drawn by the decoder along one or two latents, all others at 0.

    Attributes
    ----------
    names
        Names of the one or two latents that change.
    values
        Values ``(n,)`` float32 of each, in its unit.
    windows
        ``(n, C, h, w)`` float32, or ``(n, m, C, h, w)`` for n values of the first latent and m of the second; in units
        of a window's standard deviation. A signal has height 1.
    """

    names: tuple[str, ...]
    values: tuple[NDArray[np.float32], ...]
    windows: NDArray[np.float32]

    def __repr__(self) -> str:
        pairs = zip(self.names, self.values, strict=True)
        walks = (f"{name} from {v[0]:+.2g} to {v[-1]:+.2g} in {len(v)}" for name, v in pairs)
        return f"<Traversal {', '.join(walks)}: windows {self.windows.shape}>"

    def _repr_html_(self) -> str:
        return table_and_picture(repr(self), self.plot)

    def plot(self, *, channel: int = 0) -> Figure:
        """Draw the windows side by side with one grey scale; with two latents, the first changes downwards.

        Parameters
        ----------
        channel
            Index of the channel, from 0.

        Returns
        -------
        matplotlib.figure.Figure
            A figure, which a notebook shows; elsewhere use ``savefig("manifold.png")``.

        Raises
        ------
        ImportError
            if matplotlib is missing.
        IndexError
            for a channel that the windows do not have.
        """
        windows = self.windows if len(self.names) > 1 else self.windows[np.newaxis]
        drawn = windows[:, :, channel]
        rows, cols, height, width = drawn.shape
        tall = SIDE * rows * height / width if height > 1 else 1.5 * SIDE * rows
        figure = new_figure((SIDE * cols + AROUND, tall + AROUND))
        figure.set_layout_engine("constrained")
        if height == 1:
            for row, axis in enumerate(figure.subplots(rows, 1, squeeze=False, sharex=True, sharey=True)[:, 0]):
                self._draw_curves(axis, drawn[row, :, 0])
                if rows > 1:
                    axis.set_title(f"{self.names[0]} = {self.values[0][row]:+.2g}", fontsize=7, loc="left")
            return figure
        mosaic = np.full((rows, cols, height + GAP, width + GAP), np.nan, np.float32)
        mosaic[:, :, :height, :width] = drawn
        axis = figure.subplots()
        image = mosaic.swapaxes(1, 2).reshape(rows * (height + GAP), -1)[:-GAP, :-GAP]
        axis.imshow(image, cmap="gray", interpolation="nearest")
        axis.set_xticks(np.arange(cols) * (width + GAP) + (width - 1) / 2, [f"{v:+.2g}" for v in self.values[-1]])
        axis.set_xlabel(self.names[-1])
        axis.set_yticks([])
        if len(self.names) > 1:
            middle = np.arange(rows) * (height + GAP) + (height - 1) / 2
            axis.set_yticks(middle, [f"{v:+.2g}" for v in self.values[0]])
            axis.set_ylabel(self.names[0])
        axis.tick_params(labelsize=7, length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
        return figure

    def _draw_curves(self, axis: Axes, curves: NDArray[np.float32]) -> None:
        """Draw ``curves (n, w)``, from dark to light."""
        colours = colour_map("content")(np.linspace(0, 0.9, len(curves)))
        for curve, colour in zip(curves, colours, strict=True):
            axis.plot(np.arange(curve.size) - (curve.size - 1) / 2, curve, color=colour)
        last = self.values[-1]
        axis.set_xlabel(f"px from the centre; dark to light: {self.names[-1]} from {last[0]:+.2g} to {last[-1]:+.2g}")


def points_of(columns: Sequence[int], walks: Sequence[NDArray[np.float32]], latents: int) -> NDArray[np.float32]:
    """Latents ``(n, ..., latents)`` float32 over the grid of `walks`, one axis each; 0 except in `columns`."""
    points = np.zeros((*map(len, walks), latents), np.float32)
    for column, values in zip(columns, np.meshgrid(*walks, indexing="ij"), strict=True):
        points[..., column] = values
    return points
