"""Microscope files in, latent maps out: `read_frames` and `write_latent_map` choose the format by the file's ending."""

from __future__ import annotations

from .formats import split_name
from .frames import read_frames
from .levelling import level_rows
from .recording import ChoiceWarning
from .results import check_output, write_latent_map

__all__ = [
    "ChoiceWarning",
    "check_output",
    "level_rows",
    "read_frames",
    "split_name",
    "write_latent_map",
]
