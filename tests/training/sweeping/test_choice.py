"""Which run of a sweep is the best."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiftvae_training.sweeping.choice import choose_best, row_of, table_of
from shiftvae_training.sweeping.runs import Run


def row(name, score, loss, window=(16, 16), **values):
    found = {"window_px": window, "held_out_loss": loss, "noise_sd": 0.1, "steps": 9, "cpu_s": 1.0}
    found["content_score"] = None if score is None else {"network": score, "guess": 0.5}
    return row_of(Run(Path(), name, values, ()), found)


def failed(name):
    return row_of(Run(Path(), name, {}, ()), "no period was found (exit code 1)")


def test_the_content_score_decides_whatever_the_window():
    rows = [row("a", 0.9, 5.0), row("b", 0.95, 900.0, window=(32, 32)), failed("c"), row("d", None, 1.0)]
    assert choose_best(rows) == (1, "content score 0.95, the highest")


def test_of_equal_scores_the_lower_loss_decides():
    assert choose_best([row("a", 0.9, 5.0), row("b", 0.9, 4.0)])[0] == 1


def test_the_loss_decides_where_there_is_no_score():
    assert choose_best([failed("a"), row("b", None, 5.0), row("c", None, 4.0)])[0] == 2


@pytest.mark.parametrize(
    "other", [row("b", None, 4.0, window=(20, 20)), row("b", None, 4.0, likelihood="poisson")], ids=["window", "noise"]
)
def test_losses_that_do_not_compare_choose_nothing(other):
    best, reason = choose_best([row("a", None, 5.0), other])
    assert best is None
    assert "do not compare" in reason


def test_a_sweep_without_a_model_has_no_best():
    assert choose_best([failed("a")]) == (None, "no run has a model")


def test_the_table_has_a_row_for_each_run():
    head, first, second = table_of([row("a", 0.9, 5.0, seed="0"), row("b", None, 4.0, seed="1")]).splitlines()
    assert head.startswith("run,seed,window_px,content_score,")
    assert first.startswith("a,0,16 x 16,0.9,0.5,5.0,")
    assert second.startswith("b,1,16 x 16,,,4.0,")
