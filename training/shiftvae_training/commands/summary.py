"""Summary of a training, as JSON and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shiftvae_rt.commands.text import described
from shiftvae_rt.model.manifest import USED_NATS, USED_SHIFT_NATS

from ..finishing.content_score import ContentScore

if TYPE_CHECKING:
    from ..train import Trained

__all__ = ["readable", "summarise"]


def summarise(trained: Trained) -> dict[str, Any]:
    """Summary of a training, ready for JSON."""
    model, score = trained.model, trained.content_score
    return {
        "lattice": trained.lattice.reason,
        "window_px": list(model.window),
        "choices": list(trained.choices),
        "encoder": trained.settings.encoder,
        "steps": trained.history[-1].step,
        "cpu_s": round(trained.seconds, 1),
        "held_out_loss": round(trained.history[-1].loss, 2),
        "noise_sd": round(float(model.noise_sd), 4),
        "information_nats": dict(zip(model.names, (round(k, 2) for k in trained.kl_nats), strict=True)),
        "content_score": None
        if score is None
        else {"network": round(score.network, 3), "guess": round(score.guess, 3)},
        "warnings": [
            *_warnings(trained.kl_nats[: model.dimensions], trained.kl_nats[model.first_content :]),
            *([score.warning] if score is not None and score.warning else []),
        ],
    }


def _warnings(shift_nats: Sequence[float], content_nats: Sequence[float]) -> list[str]:
    """Warnings about maps that mean little."""
    found = []
    if min(shift_nats) < USED_SHIFT_NATS:
        found.append(
            f"the windows do not show where the motif sits (shift {min(shift_nats):.2f} nats), so the maps mean "
            "little: train on more frames, with more --steps or a larger --window"
        )
    if content_nats and max(content_nats) < USED_NATS:
        found.append("no variation of the motif was found, so the content maps are empty")
    return found


def readable(summary: dict[str, Any]) -> str:
    """Summary of `summarise`, with the model file, its report and its exactness, for people."""
    window = " x ".join(str(n) for n in summary["window_px"])
    information = ", ".join(f"{name} {nats:.1f}" for name, nats in summary["information_nats"].items())
    score = summary["content_score"]
    found = [
        ("lattice", summary["lattice"].removeprefix("lattice of ")),
        *(("chosen" if i == 0 else "", reason) for i, reason in enumerate(summary["choices"])),
        ("training", f"{summary['steps']} steps, {summary['cpu_s']} s CPU"),
        ("information", f"{information} nats of each latent in a window"),
        *([("content", ContentScore(**score).words)] if score is not None else []),
        ("exactness", f"ONNX differs from torch by {summary['onnx_against_torch']:.1e} of a latent's spread"),
        ("", f"whole frames differ from single windows by {summary['dense_against_windows']:.1e}"),
        ("for experts", f"held-out loss {summary['held_out_loss']} nats a window"),
        ("", f"noise {summary['noise_sd']} of a window's standard deviation"),
        *(("warning", warning) for warning in summary["warnings"]),
        *([("report", summary["report"])] if "report" in summary else []),
    ]
    title = f"{summary['model']}: {summary['encoder']} encoder, window {window} px"
    return f"{title}\n{described(found, column=15, indent=2)}"
