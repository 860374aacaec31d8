"""The door of a program: `fit` and `load`, what they take, what they refuse, how a training ends and goes on."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import shiftvae_training
from shiftvae_rt import Frame, FrameError, LatticeError, PixelSizeError, TrainingError
from shiftvae_training import Step, TrainedModel, fit, load
from shiftvae_training.fitting import optimise as optimise_room
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.fitting.training_state import unpack_state
from shiftvae_training.train import optimise

QUICK = {"encoder": "mlp", "window": 16, "latents": 1, "steps": 3, "constraints": {"smooth": 10.0}, "progress": False}


@pytest.fixture(autouse=True)
def short_report(monkeypatch):
    """No figures, which take most of a short training."""
    monkeypatch.setattr("shiftvae_training.report.report.write_report", lambda *_, **__: "<p>short</p>")


@pytest.fixture(scope="module")
def frame(scan):
    return np.asarray(scan.microscope.frame(0).pixels)


def test_the_package_offers_these_names():
    assert shiftvae_training.__all__ == ["Step", "TrainedModel", "Traversal", "fit", "load"]
    assert dir(shiftvae_training) == shiftvae_training.__all__
    with pytest.raises(AttributeError, match="no attribute 'train_model'"):
        shiftvae_training.train_model  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, shiftvae_training; print({'torch', 'numpy', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


def test_a_missing_package_is_named_with_its_extra():
    code = """
import sys
sys.modules["torch"] = None
try:
    from shiftvae_training import fit
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "torch" in done.stdout
    assert "shiftvae-rt[cpu,io,train]" in done.stdout


def test_every_setting_is_a_keyword_with_the_default_of_the_command():
    parameters = list(inspect.signature(fit).parameters.values())
    assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == ["frames"]
    defaults = Settings()
    renamed = {"latents": "content"}
    for parameter in parameters[1:]:
        name = renamed.get(parameter.name, parameter.name)
        if hasattr(defaults, name) and name != "constraints":
            assert parameter.default in (getattr(defaults, name), "auto"), name
    missing = set(Settings.__dataclass_fields__) - {renamed.get(p.name, p.name) for p in parameters}
    assert missing == set()


@pytest.mark.parametrize("kind", ["array", "stack", "frame", "list", "path"])
def test_one_frame_gives_one_model_however_it_comes(frame, tmp_path, kind):
    np.save(tmp_path / "scan.npy", frame)
    given = {
        "array": frame,
        "stack": frame[None],
        "frame": Frame(frame),
        "list": [frame],
        "path": tmp_path / "scan.npy",
    }[kind]
    model = fit(given, **QUICK)
    assert isinstance(model, TrainedModel)
    assert model.names == ("dy", "dx", "z1")
    _one_model.setdefault("weights", _weights(model))
    for name, value in _weights(model).items():
        assert torch.equal(value, _one_model["weights"][name]), name


_one_model: dict[str, dict[str, torch.Tensor]] = {}


def _weights(model):
    return unpack_state(model.file).model.state_dict()


def test_channels_are_seen_together(frame):
    model = fit(np.stack([frame, frame[::-1]]), channels=True, **QUICK)
    assert model.file.manifest.channels == 2
    assert model.map(np.stack([frame, frame[::-1]])).names == ("dy", "dx", "z1")


def test_the_command_trains_the_same_model(frame, tmp_path, monkeypatch):
    np.save(tmp_path / "scan.npy", frame)
    options = ["--encoder", "mlp", "--window", "16", "--latents", "1", "--steps", "3", "--constraint", "smooth=10"]
    command = [sys.executable, "-m", "shiftvae_rt", "train", "scan.npy", "-o", "m.svae", *options]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=200, check=True)
    monkeypatch.undo()  # the whole report
    told, asked = load(tmp_path / "m.svae"), fit(tmp_path / "scan.npy", **QUICK)
    assert told.map(frame).mean.tobytes() == asked.map(frame).mean.tobytes()
    members = [model.file.manifest.members for model in (told, asked)]
    assert {n for n in members[0] if members[0][n] != members[1][n]} <= {"report.html"}  # which tells seconds


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("window", 3, "3"),
        ("window", "large", "'auto' or a whole number.*'large'"),
        ("window", None, "None"),
        ("latents", 9, "0 to 8.*9"),
        ("latents", 1.0, "1.0"),
        ("encoder", "dilatd", "convolutional, mlp.*'dilatd'"),
        ("shift", "torrus", "torus, planar.*'torrus'"),
        ("rotation", -1, "-1"),
        ("scale", 1, "True or False.*1"),
        ("decoder", "big", "template, coordinate.*'big'"),
        ("likelihood", "normal", "gaussian, poisson, bernoulli.*'normal'"),
        ("kl_shift", -1.0, "-1.0"),
        ("kl_content", float("nan"), "nan"),
        ("constraints", {"smoth": 1.0}, "smooth.*'smoth'"),
        ("constraints", 3.0, "3.0"),
        ("conditions", [3], "3"),
        ("classes", [1], "1"),
        ("steps", 0, "0"),
        ("seed", -1, "-1"),
        ("seed", "zero", "'zero'"),
        ("threads", 0, "0"),
        ("channels", "yes", "True or False.*'yes'"),
        ("signals", 1, "True or False.*1"),
        ("progress", "no", "True or False.*'no'"),
        ("callbacks", print, "a list of functions"),
        ("callbacks", [print, 3], "a list of functions.*3"),
        ("start", "model.svae", "as fit and load give it.*'model.svae'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_every_wrong_value_is_an_error_that_names_it(frame, name, value, said):
    with pytest.raises(TrainingError, match=rf"expected {name} to be .*{said}"):
        fit(frame, **{**QUICK, name: value})


def test_a_wrong_pixel_size_is_an_error_too(frame):
    with pytest.raises(FrameError, match="above 0 nm.*-1"):
        fit(frame, pixel_size_nm=-1, **QUICK)


def test_a_misspelt_name_is_pythons_own_error(frame):
    with pytest.raises(TypeError, match="latent_count"):
        fit(frame, latent_count=2)


def test_what_is_given_is_what_the_model_file_says(frame):
    model = fit(frame, **{**QUICK, "pixel_size_nm": (0.01, 0.02), "seed": 5, "kl_content": 0.5})
    manifest = model.file.manifest
    assert manifest.pixel_size_nm == (0.01, 0.02)
    assert (manifest.training.seed, manifest.training.kl_content, manifest.training.kl_shift) == (5, 0.5, 1.0)
    assert manifest.training.constraints == {"smooth": 10.0, "displacement": 100.0}
    assert manifest.training.started_from == ""
    assert manifest.data[0].name == "frame 0"


def test_torch_is_left_as_it_was(frame):
    torch.manual_seed(11)
    wanted = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    torch.set_num_threads(2)
    try:
        fit(frame, **QUICK)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.rand(3), wanted)


def test_callbacks_are_told_of_every_look(frame, monkeypatch):
    monkeypatch.setattr(optimise_room, "LOOK_EVERY", 10)
    first, second = [], []
    model = fit(frame, **{**QUICK, "steps": 12, "callbacks": [first.append, second.append]})
    assert [step.step for step in first] == [10, 12]
    assert all(isinstance(step, Step) for step in first)
    assert tuple(first) == tuple(second) == model.history


def test_progress_is_shown_or_not(frame, capsys):
    fit(frame, **{**QUICK, "progress": True})
    said = capsys.readouterr().err
    assert "finding the lattice" in said
    assert "100 %, step 3 of 3" in said
    fit(frame, **QUICK)
    assert capsys.readouterr() == ("", "")


def interrupt_at(step: int):
    def callback(look: Step) -> None:
        if look.step == step:
            raise KeyboardInterrupt

    return callback


def test_an_interrupt_keeps_the_model_of_the_best_look(frame, monkeypatch):
    """The third look is made worse than the second: the model must go back to what it was then."""
    monkeypatch.setattr(optimise_room, "LOOK_EVERY", 5)
    states, ends = {}, []
    real_look = optimise_room._look

    def look(objective, held_out, source, step, model, settings):
        states[step] = {name: value.clone() for name, value in model.state_dict().items()}
        found = real_look(objective, held_out, source, step, model, settings)
        return replace(found, loss={5: 2.0, 10: 1.0, 15: 3.0}[step])

    def end(model, *rest):
        history = optimise(model, *rest)
        ends.append({name: value.clone() for name, value in model.state_dict().items()})
        return history

    monkeypatch.setattr(optimise_room, "_look", look)
    monkeypatch.setattr("shiftvae_training.train.optimise", end)
    model = fit(frame, **{**QUICK, "steps": 1000, "callbacks": [interrupt_at(15)]})
    assert [step.step for step in model.history] == [5, 10]
    assert model.file.manifest.training.steps == 10
    assert model.file.manifest.training.held_out_loss == 1.0
    assert any("stopped early" in why and "10 of 1000" in why for why in model.file.manifest.training.choices)
    (kept,) = ends
    assert all(torch.equal(kept[name], states[10][name]) for name in kept)
    assert not all(torch.equal(kept[name], states[15][name]) for name in kept)
    assert model.map(frame).mean.shape[0] == 3


def test_an_interrupt_before_there_is_a_model_stops_everything(frame, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(optimise_room, "_off_guess", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(frame, **QUICK)


def test_an_error_in_a_callback_is_the_users_own(frame):
    def broken(_):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(frame, **{**QUICK, "callbacks": [broken]})


def test_a_training_goes_on_from_a_loaded_model(model, frame, tmp_path):
    model.save(tmp_path / "m.svae")
    loaded = load(tmp_path / "m.svae")
    for name, value in _weights(model).items():
        assert torch.equal(_weights(loaded)[name], value), name
    looks = []
    options = {"steps": 100, "progress": False, "callbacks": [looks.append]}
    more, same = fit(frame, start=loaded, **options), fit(frame, start=model, **options)
    assert more.history == same.history
    assert more.map(frame).mean.tobytes() == same.map(frame).mean.tobytes()
    assert [step.step for step in more.history] == [0, 100]
    assert looks[0] == more.history[0]
    # where the last training ended, but for the pairs of windows that the constraints draw at random
    first, last = more.history[0], model.history[-1]
    assert replace(first, step=400, loss=last.loss) == last
    assert first.loss == pytest.approx(last.loss, abs=1.0)
    assert more.history[-1].loss < model.history[-2].loss
    manifest = more.file.manifest
    assert manifest.training.started_from == model.file.sha256
    assert manifest.training.constraints == {"displacement": 100.0, "smooth": 10.0}
    assert manifest.pixel_size_nm == (0.03, 0.03)
    assert (manifest.window, manifest.encoder, len(manifest.latents)) == ((16, 16), "mlp", 4)
    assert manifest.lattice == model.file.manifest.lattice


def test_latents_keep_their_order_and_sign_as_training_goes_on(model, scan):
    other = scan.microscope.frame(1).pixels
    more = fit(other, start=model, steps=100, progress=False)
    r = np.corrcoef(model.map(other)["z1"].ravel(), more.map(other)["z1"].ravel())[0, 1]
    assert r > 0.95


@pytest.mark.parametrize(
    "options",
    [
        {"shift": "planar", "rotation": 2, "scale": True, "latents": 0},
        {"likelihood": "bernoulli"},
        {"likelihood": "poisson", "latents": 2},
        pytest.param({"decoder": "coordinate", "latents": 1}, marks=pytest.mark.slow),
        {"encoder": "mlp", "shift": "planar"},
        {"classes": ["odd", "even"]},
    ],
    ids=["pose", "bernoulli", "poisson", "coordinate", "mlp-planar", "classes"],
)
def test_every_member_of_the_family_comes_back_bit_for_bit(scan, monkeypatch, options):
    states = []

    def end(model, *rest):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        return optimise(model, *rest)

    monkeypatch.setattr("shiftvae_training.train.optimise", end)
    frames = [scan.microscope.frame(i).pixels for i in range(2)]
    classes = {"classes": options["classes"]} if "classes" in options else {}
    first = fit(frames, **{**QUICK, **options})
    second = fit(frames, start=first, steps=2, progress=False, **classes)
    assert second.names == first.names
    for name, value in _weights(first).items():
        assert torch.equal(states[1][name], value), name
    assert second.decode(np.zeros(len(second.names)), motif="even" if classes else None).shape == (1, *first.window)
    here, there = unpack_state(first.file).model, unpack_state(second.file).model
    assert repr(here.likelihood) == repr(there.likelihood)
    assert (here.further, here.classes, here.shift.reach) == (there.further, there.classes, there.shift.reach)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 24}, "window to be that of start, 16, got 24"),
        ({"latents": 3}, "latents to be that of start, 2, got 3"),
        ({"shift": "planar"}, "shift to be that of start, 'torus', got 'planar'"),
        ({"likelihood": "poisson"}, "likelihood to be that of start"),
        ({"kl_shift": 0.5}, "kl_shift to be that of start, 1.0, got 0.5"),
    ],
)
def test_what_belongs_to_the_model_cannot_be_changed(model, frame, options, message):
    with pytest.raises(TrainingError, match=message):
        fit(frame, start=model, progress=False, **options)


def test_frames_of_another_kind_cannot_go_on(model, scan, frame):
    with pytest.raises(FrameError, match="1 channel.*2, 192, 192"):
        fit(np.stack([frame, frame]), channels=True, start=model, progress=False)
    with pytest.raises(PixelSizeError, match="30 pm within 3 %.*40 pm"):
        fit(Frame(frame, 0.04), start=model, progress=False)
    stretched = replace(scan.microscope.crystal, vectors=((15.0, 0.0), (0.0, 15.0)))
    with pytest.raises(LatticeError, match=r"12\.\d+ x 12\.\d+ px.*within 3 %, got 15\.\d+ x 15"):
        fit(replace(scan.microscope, crystal=stretched).frame(0).pixels, start=model, progress=False)


def test_the_script_of_a_newcomer_has_at_most_twelve_lines(frame, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "python.md").read_text(encoding="utf-8")
    script = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in script.splitlines() if line.strip()]) <= 12
    for word in ("fit(", ".encode(", ".map(", ".traverse(", ".save(", "load("):
        assert word in script, word
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("scan.tif", frame)
    names: dict[str, object] = {}
    exec(script.replace("steps=300", "steps=3, encoder='mlp', window=16"), names)
    model, again, windows = (names[name] for name in ("model", "again", "windows"))
    assert np.array_equal(names["latent_map"].mean, again.map(frame).mean)
    assert np.array_equal(model.encode(windows)[0], again.encode(windows)[0])
    assert model.traverse("z1").windows.tobytes() == again.traverse("z1").windows.tobytes()
