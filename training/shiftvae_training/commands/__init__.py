"""The subcommands of the training half, as the entry point group ``shiftvae.commands`` gives them to `shiftvae`.

Importing this costs nothing: torch is loaded with the module of the command that was typed.
"""

from __future__ import annotations

from shiftvae_rt.commands import Command

__all__ = ["DEMO", "IMPORT", "SWEEP", "TRAIN"]

DEMO = Command("demo", "run everything end to end, on a simulated microscope or a file", 0, f"{__name__}.demo")
TRAIN = Command("train", "train a model on a scan", 10, f"{__name__}.train")
SWEEP = Command("sweep", "train with several settings and seeds, and find the best model", 15, f"{__name__}.sweep")
IMPORT = Command("import", "convert a model of pyroVED or AtomAI", 20, f"{__name__}.import_model")
