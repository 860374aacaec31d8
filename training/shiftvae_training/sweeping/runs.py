"""The trainings of a sweep: one for every combination of the values that vary, each a `shiftvae train` of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from shiftvae_rt.errors import DataFileError, TrainingError, few
from shiftvae_rt.output_file import write_whole

__all__ = ["VARIED", "Run", "make_runs"]

#: Options of `shiftvae train` that can vary.
VARIED = (
    "seed", "steps", "encoder", "window", "latents", "shift", "cell", "constraint", "rotation", "likelihood",
    "kl-content", "decoder",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A training of a sweep, and its files: ``NAME.svae``, ``NAME.json`` when it is done, a checkpoint until then.

    Attributes
    ----------
    folder
        Folder of the files.
    name
        Name of the files, from the values that vary: ``seed-1_encoder-narrow``.
    values
        Value of each option that varies, as it was written.
    words
        Scans and options of `shiftvae train`, without its output.
    """

    folder: Path
    name: str
    values: Mapping[str, str]
    words: tuple[str, ...] = field(repr=False)

    @property
    def model(self) -> Path:
        """Model file."""
        return self.folder / f"{self.name}.svae"

    @property
    def checkpoint(self) -> Path:
        """File of the training while it goes on."""
        return self.folder / f"{self.name}.training"

    @property
    def command(self) -> tuple[str, ...]:
        """Words after `shiftvae` that train this run, and print its summary as JSON."""
        return (
            "train", *self.words, "-o", str(self.model), "--checkpoint", str(self.checkpoint), "--force", "--json",
        )  # fmt: skip

    def summary(self) -> dict[str, Any] | None:
        """Summary of the finished training; None if it is not done.

        Raises
        ------
        DataFileError
            if the folder holds a run of this name with other scans or options.
        """
        if not (self._record.exists() and self.model.exists()):
            return None
        try:
            found = msgspec.json.decode(self._record.read_bytes())
            words, summary = tuple(found["train"]), dict(found["summary"])
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{self._record} is no summary of a run ({error}): delete it") from error
        if words != self.words:
            raise DataFileError(
                f"{self.folder} holds the run {self.name} of other scans or options (train {' '.join(words)}): name "
                "another folder"
            )
        return summary

    def keep(self, summary: Mapping[str, Any]) -> None:
        """Keep the summary, which tells that the run is done, and delete the checkpoint."""
        write_whole(self._record, msgspec.json.format(msgspec.json.encode({"train": self.words, "summary": summary})))
        self.checkpoint.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.name}.json"


def make_runs(folder: Path, words: Sequence[str], varied: Sequence[Sequence[str]]) -> list[Run]:
    """Make the runs of a sweep, in the order of the values; the last option varies fastest.

    Parameters
    ----------
    folder
        Folder of the files of all runs.
    words
        Scans and options of `shiftvae train` that all runs share.
    varied
        Name of an option in `VARIED`, and its values, for each option that varies.

    Raises
    ------
    TrainingError
        for another option, one without values, and one or a value that is given twice.
    """
    for name, *values in varied:
        if name not in VARIED:
            raise TrainingError(f"expected --vary with one of {', '.join(VARIED)}, got {name!r}")
        if not values:
            raise TrainingError(f"expected values after --vary {name}, such as --vary seed 0 1 2, got none")
        given = [word for word in words if word.partition("=")[0] == f"--{name}" and name != "constraint"]
        if given:
            raise TrainingError(f"--{name} is given to train and to --vary: leave one out")
    names = [name for name, *_ in varied]
    runs = []
    for combination in itertools.product(*(values for _, *values in varied)):
        options = [f"--{name}={value}" for name, value in zip(names, combination, strict=True)]
        name = "_".join(f"{name}-{_plain(value)}" for name, value in zip(names, combination, strict=True))
        runs.append(Run(folder, name, dict(zip(names, combination, strict=True)), (*words, *options)))
    twice = sorted({run.name for run in runs if sum(run.name == other.name for other in runs) > 1})
    if twice or len(set(names)) < len(names):
        raise TrainingError(f"expected each option and each value once in --vary, got {few(twice or names)} twice")
    return runs


def _plain(value: str) -> str:
    """Give the value with nothing that a file name cannot have."""
    return re.sub(r"[^\w.+-]+", "-", value).strip("-")
