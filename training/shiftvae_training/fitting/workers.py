"""Processes that share the batch of every step, as torchrun starts them.

Every process prepares the training and draws the same batch and the same noise; each computes the gradient of its part
of the tiles, and the mean over all is taken in one exchange. So the model of a step is that of one process, but for the
order in which numbers are added.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from shiftvae_rt.errors import TrainingError

from ..model.decoder import Decoder
from ..noise import noise_of_part
from ..sampling import Tiles
from .device import CPU
from .settings import Settings

__all__ = ["ALONE", "Workers", "check_separable"]


class Workers:
    """The processes of a training, and the place of this one among them.

    Parameters
    ----------
    rank, count
        Number of this process, from 0, and of all.
    device
        Device on which this process computes the steps.
    """

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device = CPU) -> None:
        self.rank, self.count, self.device = rank, count, device

    @classmethod
    @contextmanager
    def of_torchrun(cls, device: torch.device = CPU) -> Iterator[Workers]:
        """The processes that torchrun started; one, if this process was started alone.

        They are connected by gloo; gradients on GPUs go by NCCL.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            yield cls(device=device)
            return
        store, rank, _ = next(rendezvous("env://"))
        # torchrun keeps its store when it starts the processes again: it has the addresses of those that are gone
        own = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        backend = "gloo" if device == CPU else "cpu:gloo,cuda:nccl"
        distributed.init_process_group(backend, store=own, rank=rank, world_size=count)
        try:
            yield cls(rank, count, device)
        finally:
            distributed.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Tell whether this process writes files and informs the user; the others only compute."""
        return self.rank == 0

    def part(self, tiles: int) -> tuple[int, int]:
        """First and last tile, exclusive, of this process in a batch of `tiles`."""
        return self.rank * tiles // self.count, (self.rank + 1) * tiles // self.count

    @contextmanager
    def share(self, tiles: Tiles) -> Iterator[Tiles]:
        """Give the part of `tiles` that is of this process; within the block, noise is that of the part."""
        count = len(tiles.frame)
        first, last = self.part(count)
        cut = slice(first, last)
        turn = None if tiles.turn is None else tiles.turn[cut]
        mine = replace(tiles, pixels=tiles.pixels[cut], frame=tiles.frame[cut], origin=tiles.origin[cut], turn=turn)
        with nullcontext() if self.count == 1 else noise_of_part(first, last, count):
            yield mine

    def average(self, parameters: list[nn.Parameter], values: list[Tensor], tiles: int) -> list[Tensor]:
        """Mean over the whole batch of the gradients, in place, and of the scalars `values`.

        Parameters
        ----------
        parameters
            Parameters with the gradients of the mean over this process's part.
        values
            Means over this part.
        tiles
            Number of tiles of the whole batch.
        """
        if self.count == 1:
            return values
        first, last = self.part(tiles)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        parts = [*(gradient.flatten() for gradient in gradients), *(value.detach().reshape(1) for value in values)]
        flat = torch.cat(parts) * ((last - first) / tiles)
        distributed.all_reduce(flat)
        *found, scalars = torch.split(flat, [*(gradient.numel() for gradient in gradients), len(values)])
        for gradient, mean in zip(gradients, found, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return list(scalars)

    def check_batch(self, tiles: int) -> None:
        """Check that a batch of `tiles` has one for each process.

        Raises
        ------
        TrainingError
            if there are more processes.
        """
        if self.count > tiles:
            raise TrainingError(f"expected at most {tiles} processes, one for each tile of a batch, got {self.count}")

    def check_together(self, step: int) -> None:
        """Check that all processes are at one step.

        Raises
        ------
        TrainingError
            if they are not, as when one cannot read the checkpoint.
        """
        if self.count == 1:
            return
        steps = [torch.zeros(1, dtype=torch.int64, device=CPU) for _ in range(self.count)]
        distributed.all_gather(steps, torch.tensor([step], device=CPU))
        found = [int(each) for each in steps]
        if len(set(found)) > 1:
            raise TrainingError(
                f"expected all processes at one step, got steps {found}: put the checkpoint where each can read it"
            )


#: A training in one process.
ALONE = Workers()


def check_separable(workers: Workers, settings: Settings, decoder: Decoder, *, taught: bool, grains: bool) -> None:
    """Check that the objective is a mean over tiles, so that several processes can share a batch.

    Raises
    ------
    TrainingError
        naming the first term that is not, and the reason.
    """
    if workers.count == 1:
        return
    reasons = {
        "the constraint decorrelate is a correlation over the whole batch": settings.constraints.get("decorrelate", 0)
        > 0,
        "a condition of your own may look at the whole batch": bool(settings.conditions),
        "the coordinate decoder draws some windows of the whole batch": decoder.most_windows is not None,
        "a motif that turns or grows draws some windows of the whole batch": taught,
        "several grains draw further tiles for the whole batch": grains,
    }
    for reason, holds in reasons.items():
        if holds:
            raise TrainingError(f"{reason}, which {workers.count} processes cannot share: train in one process")
