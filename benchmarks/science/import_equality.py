"""Encodings of imported models compared with those of the pyroVED and AtomAI packages.

    python benchmarks/science/import_equality.py [--quick] [--write]

Trains small models of both packages for a few steps, lets each package save its weights, imports them with
`shiftvae import`, and maps a raw frame. Exits with 1 if a difference is above 1e-5.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from peer_environment import enter_environment
from tables import add_options, publish, show

from shiftvae_rt import LatentMapper
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Microscope
from shiftvae_training.commands import import_model as import_command

ABOUT = """
Small models trained for a few steps and saved by their own package, imported with `shiftvae import`, and run by the
runtime on a raw frame of 96 x 96 px (a line of 400) at stride 4, compared with the package's own `encode` of the
windows, scaled as in training. Differences are the largest over all windows, in units of a latent's prior; that of the
shift is the distance from 0 to which the package's own `transform_coordinates` maps the reported position.
"""
TARGET = 1e-5
PRIOR, SCALE_PRIOR, WINDOW, LINE_WINDOW = 0.3, 0.1, 24, 48
CASES: tuple[dict[str, Any], ...] = (
    {"package": "pyroved", "model": "iVAE", "invariances": "t"},
    {"package": "pyroved", "model": "iVAE, windows scaled", "invariances": "t", "scaling": "window"},
    {"package": "pyroved", "model": "iVAE", "invariances": "rts"},
    {"package": "pyroved", "model": "iVAE, relu", "invariances": "none", "activation": "relu"},
    {"package": "pyroved", "model": "iVAE, 1D", "invariances": "t", "signal": True},
    {"package": "atomai", "model": "VAE", "invariances": "none"},
    {"package": "atomai", "model": "VAE, convolutional", "invariances": "none", "convolutional": True},
    {"package": "atomai", "model": "rVAE", "invariances": "rt"},
    {"package": "atomai", "model": "rVAE, no translation", "invariances": "r"},
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    enter_environment()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for case in CASES[::3] if options.quick else CASES:
        rows.append(compare(case))
        show(rows)
    good = sum(max(row["mean"], row["deviation"], row["shift"]) <= TARGET for row in rows)
    verdict = f"{good} of {len(rows)} equal their package's own output to {TARGET:g}."
    print("\n" + verdict)
    if options.write:
        publish("imports", "Imported models", about=ABOUT, rows=rows, verdict=verdict)
    return 0 if good == len(rows) else 1


def compare(case: dict[str, Any]) -> dict[str, Any]:
    """Train, save, import, map and encode one model."""
    signal, letters = case.get("signal", False), case["invariances"].replace("none", "")
    frame = LineCrystal(length=400).line(0).samples[None] if signal else Microscope(shape=(96, 96)).frame(0).pixels
    window = (1, LINE_WINDOW) if signal else (WINDOW, WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(frame.astype(np.float64), window)
    windows = windows[:: 1 if signal else 4, ::4].reshape(-1, *window)
    low, high = frame.min(), frame.max()
    if "scaling" in case:
        low, high = windows.min((1, 2), keepdims=True), windows.max((1, 2), keepdims=True)
    scaled = torch.from_numpy((windows - low) / (high - low)).float()
    if signal:
        scaled = scaled[:, 0]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = {"pyroved": pyroved_model, "atomai": atomai_model}[case["package"]]
        weights, mean, deviation, moved = run(case, letters, scaled, Path(folder))
        np.save(Path(folder) / "scan.npy", frame)
        parser = argparse.ArgumentParser()
        import_command.add_arguments(parser)
        arguments = parser.parse_args([
            str(weights), f"{folder}/scan.npy", "-o", f"{folder}/m.svae", "--from", case["package"],
            "--invariances", case["invariances"], "--prior", str(PRIOR), "--scale-prior", str(SCALE_PRIOR),
            "--activation", case.get("activation", "tanh"), "--scaling", case.get("scaling", "scan"),
            *(["--signal"] if signal else []),
        ])  # fmt: skip
        import_command.run(arguments)
        found = LatentMapper(f"{folder}/m.svae", stride=4).map(frame[0] if signal else frame)
    return {
        "package": case["package"], "model": case["model"], "invariances": case["invariances"], "windows": len(scaled),
    } | differences(found, mean, deviation, letters, moved)  # fmt: skip


def differences(found: Any, mean: Any, deviation: Any, letters: str, moved: Any) -> dict[str, float]:
    """Largest differences, in units of the priors' deviations."""
    reported = dict(zip(found.names, found.mean.reshape(len(found.names), -1), strict=True))
    spread = dict(zip(found.names, found.std.reshape(len(found.names), -1), strict=True))
    content = [name for name in found.names if name.startswith("z")]
    off = [reported[name] - mean[:, i - len(content)] for i, name in enumerate(content)]
    off_sd = [spread[name] - deviation[:, i - len(content)] for i, name in enumerate(content)]
    if "r" in letters:
        off.append(np.deg2rad(reported["phi"]) - mean[:, 0])
        off_sd.append(np.deg2rad(spread["phi"]) - deviation[:, 0])
    if "t" in letters:
        axes = 1 + ("dy" in reported)
        window = WINDOW if axes == 2 else LINE_WINDOW
        left = -reported["dx"] * 2 / (window - 1)
        place = np.stack([reported["dy"] * 2 / (window - 1), left], -1) if axes == 2 else left[:, None]
        shift = np.abs(moved(torch.from_numpy(place).float()[:, None]).numpy()).max() / PRIOR
        if "r" not in letters and "s" not in letters:
            px = PRIOR * (window - 1) / 2
            off_sd += [spread[name] / px - deviation[:, i] for i, name in enumerate(found.names[:axes])]
    else:
        shift = 0.0
    return {"mean": float(np.abs(off).max()), "deviation": float(np.abs(off_sd).max()), "shift": float(shift)}


def pyroved_model(case: dict[str, Any], letters: str, scaled: torch.Tensor, folder: Path) -> tuple[Any, ...]:
    from pyroved.models import iVAE
    from pyroved.trainers import SVItrainer
    from pyroved.utils import init_dataloader, transform_coordinates

    model = iVAE(
        tuple(scaled.shape[1:]), latent_dim=2, invariances=list(letters) or None, dx_prior=PRIOR, dy_prior=PRIOR,
        sc_prior=SCALE_PRIOR, activation=case.get("activation", "tanh"), seed=1, device="cpu",
    )  # fmt: skip
    trainer = SVItrainer(model, lr=1e-3, device="cpu")
    for _ in range(5):
        trainer.step(init_dataloader(scaled, batch_size=50))
    model.save_weights(str(folder / "weights"))
    mean, deviation = model.encode(scaled)

    def moved(places: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(letters, mean.split([len(model.t_prior) if v == "t" and len(letters) and model.ndim == 2 else 1
                                              for v in letters] + [2], 1), strict=False))  # fmt: skip
        turn = parts["r"][:, 0] if "r" in letters else torch.zeros(len(mean))
        size = 1 + SCALE_PRIOR * parts["s"][:, 0] if "s" in letters else torch.ones(len(mean))
        return transform_coordinates(places, turn, PRIOR * parts["t"][:, None], size)

    return folder / "weights.pt", mean.numpy(), deviation.numpy(), moved


def atomai_model(case: dict[str, Any], letters: str, scaled: torch.Tensor, folder: Path) -> tuple[Any, ...]:
    import atomai
    from atomai.utils import transform_coordinates

    size, kind = tuple(scaled.shape[1:]), atomai.models.VAE
    settings: dict[str, Any] = {"conv_encoder": True, "numhidden_encoder": 16} if "convolutional" in case else {}
    if letters:
        kind, settings = atomai.models.rVAE, {"translation": "t" in letters}
    model = kind(size, latent_dim=2, seed=1, **settings)
    given = {"translation_prior": PRIOR} if "t" in letters else {}
    model.fit(scaled.numpy(), training_cycles=5, batch_size=50, filename=str(folder / "training"), **given)
    model.save_weights(str(folder / "weights"))
    mean, log_deviation = model.encode(scaled)

    def moved(places: torch.Tensor) -> torch.Tensor:
        latents = torch.from_numpy(mean)
        return transform_coordinates(places, latents[:, 0], PRIOR * latents[:, None, 1:3])

    return folder / "weights.tar", mean, np.exp(log_deviation), moved


if __name__ == "__main__":
    sys.exit(main())
