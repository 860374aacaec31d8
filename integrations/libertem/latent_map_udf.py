"""LiberTEM: latent maps of every image of a stack, on all of LiberTEM's workers.

::

    from libertem.api import Context
    from latent_map_udf import LatentMapUDF

    result = Context().run_udf(dataset, LatentMapUDF("model.svae", stride=8))
    result["mean"].data            # (frames, latents, rows, cols); NaN for an image that cannot be mapped
    result["score"].data           # (frames,): above 1 the image is unlike the training data

The images are the signal of the dataset, as they are for live imaging; each worker loads the model once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from libertem.udf import UDF

from shiftvae_rt import FrameError, LatentMapper, WindowGrid


class LatentMapUDF(UDF):
    """Maps each image of a dataset with one model.

    Parameters
    ----------
    model
        Path of the model file, which every worker can read.
    stride
        px between windows.
    window, latents
        Size of a window and number of latents; read from the model, and given to the copies on the workers.
    """

    def __init__(
        self, model: str, stride: int = 4, window: tuple[int, int] | None = None, latents: int | None = None
    ) -> None:
        if window is None:
            mapper = LatentMapper(model, stride=stride)
            window, latents = mapper.window, len(mapper.names)
        super().__init__(model=str(model), stride=stride, window=window, latents=latents)

    def get_result_buffers(self) -> dict[str, Any]:
        """Buffers of the results: one map, score and outcome for each image."""
        shape = tuple(self.meta.dataset_shape.sig)
        grid = WindowGrid(shape, self.params.window, self.params.stride)
        size = (self.params.latents, grid.rows, grid.cols)
        return {
            "mean": self.buffer(kind="nav", extra_shape=size, dtype="float32"),
            "score": self.buffer(kind="nav", dtype="float32"),
            "mapped": self.buffer(kind="nav", dtype="bool"),
        }

    def get_task_data(self) -> dict[str, Any]:
        """The model, loaded once for each task."""
        return {"mapper": LatentMapper(self.params.model, stride=self.params.stride)}

    def process_frame(self, frame: np.ndarray) -> None:
        """Map one image; LiberTEM calls it for each."""
        try:
            latent_map = self.task_data.mapper.map(np.ascontiguousarray(frame))
        except FrameError:  # blank, or with NaN
            self.results.mean[:], self.results.score[:], self.results.mapped[:] = np.nan, np.nan, False
            return
        self.results.mean[:] = latent_map.mean
        self.results.score[:] = np.nan if latent_map.domain is None else latent_map.domain.score
        self.results.mapped[:] = True
