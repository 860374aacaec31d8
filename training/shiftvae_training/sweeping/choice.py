"""The best run of a sweep, by the score on held-out data that `shiftvae train` reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from .runs import Run

__all__ = ["choose_best", "row_of", "table_of"]


def row_of(run: Run, outcome: Mapping[str, Any] | str) -> dict[str, Any]:
    """Row of a run in the table: the values that vary, what `train` found, and the reason if it has no model."""
    found: Mapping[str, Any] = {} if isinstance(outcome, str) else outcome
    score = found.get("content_score") or {}
    return {
        "run": run.name,
        **run.values,
        "window_px": " x ".join(map(str, found.get("window_px", []))),
        "content_score": score.get("network"),
        "content_score_of_guess": score.get("guess"),
        "held_out_loss": found.get("held_out_loss"),
        "noise_sd": found.get("noise_sd"),
        "trained_steps": found.get("steps"),
        "cpu_s": found.get("cpu_s"),
        "error": outcome if isinstance(outcome, str) else "",
    }


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """All rows as CSV with a head; empty where there is no figure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def choose_best(rows: Sequence[Mapping[str, Any]]) -> tuple[int | None, str]:
    """Index of the best row, and by what it is the best; None and the reason where runs do not compare.

    The content score decides: the share of the motif's variation that the content predicts in pixels that the network
    did not see. It does not depend on the window. Where no run has one, as for isolated features, the loss on held-out
    regions decides, which compares models of one window and one likelihood alone.
    """
    done = [i for i, row in enumerate(rows) if not row["error"]]
    scored = [i for i in done if rows[i]["content_score"] is not None]
    if scored:
        best = max(scored, key=lambda i: (rows[i]["content_score"], -rows[i]["held_out_loss"]))
        return best, f"content score {rows[best]['content_score']}, the highest"
    if not done:
        return None, "no run has a model"
    if len({(rows[i]["window_px"], rows[i].get("likelihood")) for i in done}) > 1:
        return None, "no run has a content score, and losses of different windows or likelihoods do not compare"
    best = min(done, key=lambda i: rows[i]["held_out_loss"])
    return best, f"held-out loss {rows[best]['held_out_loss']} nats a window, the lowest"
