"""Every field of the settings is checked when they are made, and the command line asks the same check."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from shiftvae_rt.cli import main
from shiftvae_rt.errors import TrainingError
from shiftvae_training.commands.demo_settings import DemoSettings, check_demo_setting
from shiftvae_training.constraints import SmoothLatents
from shiftvae_training.fitting.settings import Settings, check_setting

#: By field: values that it takes, and values that it does not.
GOOD = {
    "window": [None, 4, 32],
    "content": [None, 0, 8],
    "encoder": ["convolutional", "mlp"],
    "shift": ["torus", "planar"],
    "cell": ["auto", "parent", "super", ((9.0, 1.0), (0.0, 8.5))],
    "constraints": [{}, {"smooth": 0}, {"displacement": 100.0, "decorrelate": 2}],
    "conditions": [(), (SmoothLatents(3.0),)],
    "steps": [1, 3000],
    "seed": [0, 7],
    "threads": [1, 2],
    "rotation": [0, 1, 6],
    "scale": [False, True],
    "decoder": ["template", "coordinate"],
    "likelihood": ["gaussian", "poisson", "bernoulli"],
    "kl_shift": [0, 0.1, 1.0],
    "kl_content": [0.0, 2],
    "classes": [(), ("on", "off")],
}
BAD = {
    "window": [0, 3, 16.0, "16", True],
    "content": [-1, 9, 1.5, "auto"],
    "encoder": ["dilatd", "", None, 1, ["mlp"]],
    "shift": ["torrus", "Torus", None],
    "cell": ["supper", None, ((9.0, 1.0),), ((9.0, 1.0), (18.0, 2.0)), 3],
    "constraints": [{"smoth": 1}, {"smooth": -1}, {"smooth": float("nan")}, {"smooth": "1"}, ["smooth"], None],
    "conditions": [("smooth",), [SmoothLatents()], (SmoothLatents(-1.0),), (SmoothLatents,), None],
    "steps": [0, -5, 3e3, None],
    "seed": [-1, None, 2**40],
    "threads": [0, "2"],
    "rotation": [-1, 0.5, True],
    "scale": [0, 1, None, "yes"],
    "decoder": ["deep", None],
    "likelihood": ["cauchy", None],
    "kl_shift": [-1.0, float("inf"), float("nan"), "1", True],
    "kl_content": [-0.1, None],
    "classes": ["on", ["on"], ("on", 1), ("",), None],
}
#: Words of the command line that its option must refuse, by field.
WORDS = {
    "window": ("--window", ["3", "1e2", "all", "-4"]),
    "content": ("--latents", ["9", "-1", "two"]),
    "encoder": ("--encoder", ["dilatd"]),
    "shift": ("--shift", ["torrus"]),
    "cell": ("--cell", ["supper", "(1,2)", "(a,b),(c,d)"]),
    "constraints": ("--constraint", ["smoth=1", "smooth=-1", "smooth=nan", "smooth=much"]),
    "steps": ("--steps", ["0", "-3", "1.5"]),
    "seed": ("--seed", ["-1", "x"]),
    "threads": ("--threads", ["0"]),
    "rotation": ("--rotation", ["-1", "half"]),
    "decoder": ("--decoder", ["deep"]),
    "likelihood": ("--likelihood", ["cauchy"]),
    "kl_content": ("--kl-content", ["-1", "nan", "much"]),
    "classes": ("--classes", ["on,,off", ""]),
}
DEMO_BAD = {
    "output": ["", None],
    "force": [1],
    "input": ["", 3],
    "encoder": ["dilatd"],
    "seed": [-1],
    "steps": [0],
    "frames": [0, -3, 1.5],
    "frames_per_s": [0, 0.0, -1.0, float("nan")],
    "rows": [-1],
    "stride": [0, "4"],
}
DEMO_OPTIONS = {"frames_per_s": "--fps"}


def pairs(table):
    return [pytest.param(name, value, id=f"{name}={value!r}") for name, values in table.items() for value in values]


def test_every_field_is_in_the_tables():
    names = {field.name for field in fields(Settings)}
    assert set(GOOD) == set(BAD) == names
    assert names - set(WORDS) == {"conditions", "scale", "kl_shift"}  # a flag, and what no option gives
    assert set(DEMO_BAD) == {field.name for field in fields(DemoSettings)}


@pytest.mark.parametrize(("name", "value"), pairs(GOOD))
def test_what_a_field_may_be_is_taken(name, value):
    plane = {"shift": "planar"} if name in ("rotation", "scale") else {}
    assert getattr(Settings(**plane, **{name: value}), name) == value
    check_setting(name, value)


@pytest.mark.parametrize(("name", "value"), pairs(BAD))
def test_anything_else_is_refused_by_its_name(name, value):
    for make in (lambda: Settings(**{name: value}), lambda: replace(Settings(), **{name: value})):
        with pytest.raises(TrainingError) as refused:
            make()
        said = str(refused.value)
        assert said.startswith(f"expected {name} to be ")
        assert said.endswith(f", got {value!r}")


@pytest.mark.parametrize("choice", [("encoder", "convolutional, mlp"), ("shift", "torus, planar")], ids=str)
def test_a_misspelt_name_is_answered_with_the_choice(choice):
    with pytest.raises(TrainingError, match=f"expected {choice[0]} to be one of {choice[1]}, got 'torrus'"):
        Settings(**{choice[0]: "torrus"})


@pytest.mark.parametrize("further", [{"rotation": 1}, {"scale": True}], ids=str)
def test_what_turns_or_grows_has_a_planar_shift(further):
    with pytest.raises(TrainingError, match=r"rotation.*shift='torus'.*--shift planar"):
        Settings(**further)


@pytest.mark.parametrize(
    ("option", "field", "word"),
    [
        pytest.param(option, name, word, id=f"{option}={word}")
        for name, (option, words) in WORDS.items()
        for word in words
    ],
)
def test_the_command_line_asks_the_same_check(option, field, word, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["train", "scan.npy", "-o", str(tmp_path / "m.svae"), f"{option}={word}"])
    assert left.value.code == 2
    assert f"argument {option}: expected {field} to be " in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), pairs(DEMO_BAD))
def test_every_field_of_a_demo_is_checked(name, value):
    with pytest.raises(TrainingError, match=f"expected {name} to be "):
        DemoSettings(**{"output": "folder", name: value})
    with pytest.raises(TrainingError, match=f"expected {name} to be "):
        check_demo_setting(name, value)


@pytest.mark.parametrize("name", ["encoder", "seed", "steps", "frames", "frames_per_s", "rows", "stride"])
def test_the_demo_command_asks_the_same_check(name, tmp_path, capsys):
    option = DEMO_OPTIONS.get(name, f"--{name}")
    with pytest.raises(SystemExit):
        main(["demo", "-o", str(tmp_path), f"{option}=-2"])
    assert f"argument {option}: expected {name} to be " in capsys.readouterr().err
