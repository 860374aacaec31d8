"""The command line before any work: what help says and costs, and what a mistyped word is answered."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from terminal import COLUMNS

from shiftvae_rt.cli import command_parser, installed_commands, main
from shiftvae_rt.commands import COMMANDS

ORDER_OF_WORK = [
    "demo", "train", "sweep", "import", "inspect", "map", "benchmark", "serve", "fleet", "send", "simulate", "watch",
    "open", "status", "export", "keys", "sign",
]  # fmt: skip
HEAVY = ("numpy", "torch", "onnxruntime", "onnx", "zmq", "msgspec", "scipy", "matplotlib", "h5py", "tqdm")


def said(capsys, *words) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code, *capsys.readouterr()


def cpu_s(*arguments: str) -> float:
    """Least CPU time of five runs of Python, s."""
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, timeout=60)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option):
    code = f"""
import sys
from shiftvae_rt.cli import main
try:
    main([{option!r}])
except SystemExit:
    print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the CPU time of ended processes")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_cost_little_more_than_python_itself(option):
    assert cpu_s("-m", "shiftvae_rt", option) < 20 * max(cpu_s("-c", "pass"), 0.01)


def test_help_lists_the_commands_in_the_order_of_work(capsys):
    code, out, _ = said(capsys, "--help")
    listed = out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    assert code == 0
    assert [line.split()[0] for line in listed] == ORDER_OF_WORK
    assert all(line[14:15].islower() for line in listed), "each is described on its own line"


@pytest.mark.parametrize("name", ["", *ORDER_OF_WORK, "keys add", "keys signing"])
def test_help_fits_a_terminal(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    code, out, _ = said(capsys, *name.split(), "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= COLUMNS
    assert f"usage: shiftvae {name}".strip() in out


def test_only_the_command_that_was_typed_has_its_arguments():
    names = {command.name: command for command in COMMANDS}
    with pytest.raises(SystemExit):
        command_parser(COMMANDS, ["map"]).parse_args(["sign", "m.svae", "--key", "k"])
    assert command_parser(COMMANDS, ["sign"]).parse_args(["sign", "m.svae", "--key", "k"]).key.name == "k"
    assert set(names) < {command.name for command in installed_commands()}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["trian"], "there is no 'trian': did you mean train? see shiftvae --help"),
        (["bench", "m.svae"], "there is no 'bench': did you mean benchmark?"),
        (["keys", "revok", "f", "n"], "there is no 'revok': did you mean revoke? see shiftvae keys --help"),
        (["map", "m", "f", "--outptu", "o"], "unknown option --outptu: did you mean --output? see shiftvae map --help"),
        (["train", "s", "-o", "o", "--sede=3"], "unknown option --sede: did you mean --seed?"),
        (
            ["map", "m", "f", "-o", "o", "--provider", "cdua"],
            "argument --provider: there is no 'cdua': did you mean cuda?",
        ),
        (["--versoin"], "unknown option --versoin: did you mean --version?"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(capsys, words, answer):
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert answer in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["fly"], "there is no 'fly': choose from demo, train, sweep, import"),
        (["map", "--qqq", "m"], "error: unknown option --qqq: see shiftvae map --help"),
        (["map", "a", "b", "c", "-o", "x"], "error: unexpected c: see shiftvae map --help"),
        (["sign", "m", "--key", "k", "-q"], "error: unexpected -q: see"),
    ],
)
def test_a_word_that_is_like_no_other_gets_no_suggestion(capsys, words, answer):
    code, _, err = said(capsys, *words)
    assert code == 2
    assert answer in err
    assert "did you mean" not in err


def test_words_after_two_dashes_are_no_options(capsys):
    assert main(["inspect", "--", "--no-such-model"]) == 1
    assert "--no-such-model" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_a_command_that_cannot_be_loaded_is_told_and_the_others_work(monkeypatch, capsys):
    class Broken:
        name = "paint"

        def load(self):
            raise ImportError("No module named 'paint'")

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Broken()])
    code, out, err = said(capsys, "--help")
    assert code == 0
    assert "inspect" in out
    assert err == (
        "shiftvae: warning: the command paint is not available (No module named 'paint'): install its package again\n"
    )


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["map", "m", "f", "-o", "o", "--stride", "two"], "--stride: expected a whole number of at least 0, got 'two'"),
        (["map", "m", "f", "-o", "o", "--threads", "-1"], "--threads: expected a whole number of at least 0, got '-1'"),
        (["simulate", "--frames", "1.5"], "--frames: expected a whole number of at least 0, got '1.5'"),
        (["send", "f", "--fps", "nan"], "--fps: expected a number of at least 0, got 'nan'"),
        (["send", "f", "--fps", "-1"], "--fps: expected a number of at least 0, got '-1'"),
        (["send", "f", "--fps", "fast"], "--fps: expected a number of at least 0, got 'fast'"),
        (["send", "f", "--frames", "a:b"], "--frames: expected A:B, A: or :B with whole numbers, got 'a:b'"),
        (["watch", "--seconds", "inf"], "--seconds: expected a number of at least 0, got 'inf'"),
        (["serve", "m", "--max-age", "soon"], "--max-age: expected a number of seconds above 0, got 'soon'"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
)
def test_a_number_that_is_none_is_answered_with_what_was_expected(capsys, words, answer):
    code, _, err = said(capsys, *words)
    assert code == 2
    assert answer in err
