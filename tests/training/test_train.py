"""A short training learns what is in the frame, the same for the same seed, or says why it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import shiftvae_training.fitting.optimise as optimise_module
from shiftvae_rt.errors import FrameError, LatticeError, TrainingError, WindowError
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

QUICK = Settings(window=16, content=2, encoder="mlp", steps=12, constraints={"displacement": 100.0, "smooth": 10.0})


def centres(trained, rows, stride=4) -> np.ndarray:
    return np.arange(rows) * stride + (trained.model.window[1] - 1) / 2


def test_content_is_the_order_parameter_and_shift_the_position_on_a_frame_it_never_saw(scan):
    frame = scan.microscope.frame(1)
    mean, std = scan.trained.model.map_frame(frame.pixels[None].astype(np.float32), 4)
    place = centres(scan.trained, mean.shape[1])
    rows = np.rint(place).astype(int)
    truth = frame.displacement_px[np.ix_(rows, rows)]
    near, linear = order_parameter_r2(mean[2:].astype(float), truth)
    assert near > 0.8
    assert linear > 0.8
    assert abs(np.corrcoef(mean[2].ravel(), truth.ravel())[0, 1]) > 0.9
    shift = score_shift(mean[:2].astype(float), frame.shift_px(place, place), scan.trained.lattice.vectors)
    assert max(shift.rms_px) < 0.2
    assert min(shift.circ) > 0.98
    assert (std > 0).all()


def test_the_shift_is_anchored_to_the_brightest_column(scan):
    frame = scan.microscope.frame(1)
    mean, _ = scan.trained.model.map_frame(frame.pixels[None].astype(np.float32), 4)
    place = centres(scan.trained, mean.shape[1])
    off = mean[:2] - frame.shift_px(place, place)
    off -= 12 * np.round(off / 12)
    assert np.abs(np.median(off, axis=(1, 2))).max() < 0.5  # px, with no offset fitted


def test_what_it_says_of_itself_is_true(scan):
    trained = scan.trained
    assert trained.model.window == (16, 16)
    assert trained.choices == ()  # all was given
    np.testing.assert_allclose(trained.lattice.period_px, 12.1, atol=0.15)
    assert [look.step for look in trained.history] == list(range(100, 401, 100))
    assert trained.history[-1].loss < trained.history[0].loss
    assert all(np.isfinite([look.loss, look.noise_sd, look.kl_shift]).all() for look in trained.history)
    assert 0.1 < float(trained.model.noise_sd) < 0.6
    assert len(trained.kl_nats) == len(trained.spread) == 4
    assert min(trained.kl_nats[:2]) > 4  # the position is known within a few hundredths of the cell
    assert max(trained.kl_nats[2:]) > 1
    assert trained.spread[0] == pytest.approx(12 / np.sqrt(12), rel=0.2)  # shifts are spread evenly over the cell
    assert trained.seconds > 0


def test_progress_is_told_at_every_look(scan):
    looks = []
    trained = train(scan.frames, replace(QUICK, steps=150), progress=looks.append)
    assert looks == trained.history
    assert [look.step for look in looks] == [100, 150]


def test_a_seed_gives_the_same_model_and_another_does_not(scan):
    one, same, other = (train(scan.frames, replace(QUICK, seed=seed)) for seed in (3, 3, 4))
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, same.model.state_dict()[name]), name
    assert one.history == same.history
    assert not torch.equal(one.model.encoder.stem[0], other.model.encoder.stem[0])


def test_a_line_gives_position_and_width(line):
    signal, _, trained = line
    assert trained.model.window == (1, 32)
    mean, _ = trained.model.map_frame(signal.samples[None, None], 4)
    assert mean.shape[:2] == (3, 1)
    place = centres(trained, mean.shape[2])
    near = np.rint(place).astype(int)
    design = np.concatenate([mean[1:, 0], mean[1:, 0] ** 2, np.ones((1, len(place)))]).T
    wanted = signal.width_px[near]
    fitted = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    assert 1 - np.var(fitted - wanted) / np.var(wanted) > 0.8
    away = signal.peaks_px[:, None] - place
    truth = away[np.argmin(np.abs(away), axis=0), np.arange(len(place))]
    shift = score_shift(mean[:1].astype(float), truth[None, None], trained.lattice.vectors)
    assert shift.circ[0] > 0.95  # asymmetric peaks draw the phase with them
    assert shift.rms_px[0] < 1.3


@pytest.mark.parametrize(("encoder", "content"), [("convolutional", 0), ("convolutional", 1), ("mlp", 3)])
def test_any_number_of_latents_trains(scan, encoder, content):
    trained = train(scan.frames, replace(QUICK, encoder=encoder, content=content))
    mean, std = trained.model.map_frame(scan.frames[0].astype(np.float32), 8)
    assert mean.shape[0] == std.shape[0] == 2 + content
    assert np.isfinite(mean).all()


def test_what_is_not_given_is_chosen_with_a_reason_each_and_what_is_given_stays(scan):
    trained = train(scan.frames, Settings(encoder="mlp", steps=2))
    settings = trained.settings
    assert trained.model.window == (settings.window, settings.window)
    assert settings.window in (16, 24, 36)  # 1.3, 2 and 3 periods of 12 px, up to a multiple of 4
    assert settings.content == 1
    assert settings.constraints["displacement"] == 100.0
    assert 0 < settings.constraints["smooth"] <= 100
    assert [reason.split()[0] for reason in trained.choices] == ["window", "1", "smoothness"]
    given = train(scan.frames, replace(QUICK, steps=2, window=20, constraints={}))
    assert given.model.window == (20, 20)
    assert given.settings.content == 2
    assert [reason.split()[0] for reason in given.choices] == ["smoothness"]


def test_several_frames_and_channels_train(scan):
    second = scan.microscope.frame(3).pixels
    frames = [np.stack([f, 2000 - 2 * f.astype(np.int32)]).astype(np.int32) for f in (scan.frames[0][0], second)]
    trained = train(frames, QUICK)
    assert len(trained.model.channel_scale) == 2
    assert trained.model.channel_scale[0] == pytest.approx(2 * trained.model.channel_scale[1], rel=0.05)


def test_isolated_features_train_on_the_plane():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:160, 0:160]
    frame = rng.normal(10, 0.3, size=(160, 160))
    for cy, cx in rng.uniform(10, 150, size=(25, 2)):
        frame += 5 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
    trained = train([frame[None]], replace(QUICK, shift="planar", window=20, steps=60))
    mean, _ = trained.model.map_frame(frame[None].astype(np.float32), 8)
    assert np.isfinite(mean).all()
    assert 3 < trained.model.weights().planar_reach_px < 20


def test_training_leaves_the_model_of_the_last_step(scan, monkeypatch):
    """Though the look in the middle says that the model was better then."""
    true_look, seen = optimise_module._look, []

    def look(*arguments):
        made = true_look(*arguments)
        model = next(a for a in arguments if isinstance(a, torch.nn.Module))
        seen.append(model.encoder.stem[0].detach().clone())
        return replace(made, loss=made.loss - (1000 if len(seen) == 2 else 0))

    monkeypatch.setattr(optimise_module, "_look", look)
    monkeypatch.setattr(optimise_module, "LOOK_EVERY", 50)
    trained = train(scan.frames, replace(QUICK, steps=150))
    assert torch.equal(trained.model.encoder.stem[0], seen[2])
    assert not torch.equal(seen[1], seen[2])


def test_frames_without_a_period_are_declined():
    noise = np.random.default_rng(0).normal(size=(1, 200, 200))
    with pytest.raises(LatticeError, match=r"no period: .*use --shift planar for isolated features"):
        train([noise], QUICK)


def test_a_planar_shift_needs_a_window(scan):
    with pytest.raises(TrainingError, match="a planar shift needs a window size: give --window"):
        train(scan.frames, replace(QUICK, shift="planar", window=None))


@pytest.mark.parametrize("shape", [(1, 128, 128), (2, 128, 128), (1, 1, 500)])
def test_constant_frames_are_declined(shape):
    with pytest.raises(TrainingError, match="the frames are constant"):
        train([np.full(shape, 7, np.uint16)] * 2, QUICK)


def test_a_constant_channel_is_declined(scan):
    frame = np.concatenate([scan.frames[0], np.full_like(scan.frames[0], 3)])
    with pytest.raises(TrainingError, match="a channel of the frames has no contrast"):
        train([frame], QUICK)


def order_found(trained, frame, rows: slice) -> float:
    """Correlation of z1 with the displacement, in windows whose first pixel is among `rows`."""
    mean, _ = trained.model.map_frame(frame.pixels[None].astype(np.float32), 4)
    y, x = (np.rint(centres(trained, n)).astype(int) for n in mean.shape[1:])
    seen = (y >= rows.start) & (y < rows.stop)
    truth = frame.displacement_px[np.ix_(y[seen], x)]
    return abs(float(np.corrcoef(mean[2][seen].ravel(), truth.ravel())[0, 1]))


def test_a_scan_of_which_six_tenths_are_exactly_zero_trains_on_the_rest(scan):
    large = replace(scan.microscope, shape=(300, 192))
    frame = large.frame(0)
    pixels = frame.pixels.copy()
    pixels[:180] = 0
    trained = train([pixels[None]], replace(QUICK, steps=400))
    assert trained.model.channel_scale[0] == pytest.approx(scan.trained.model.channel_scale[0], rel=0.1)
    assert trained.windows < 0.5 * (300 - 28) * (192 - 28)
    assert order_found(trained, frame, slice(195, 300)) > 0.9


def test_a_stack_whose_first_frames_are_blank_trains_on_the_others(scan):
    """Frames keep their numbers, which conditions go by."""
    lit = [scan.microscope.frame(i).pixels[None] for i in range(2)]
    blank = np.full_like(lit[0], 3)
    frames = [*[blank] * 8, *lit, blank, blank]
    trained = train(frames, replace(QUICK, steps=300, content=None))
    assert trained.settings.content == 1
    assert trained.model.channel_scale[0] == pytest.approx(scan.trained.model.channel_scale[0], rel=0.05)
    assert trained.windows < 2 * (192 - 28) ** 2
    assert order_found(trained, scan.microscope.frame(1), slice(0, 192)) > 0.9


def test_a_tiny_frame_is_declined(scan):
    with pytest.raises(LatticeError, match="too few periods"):  # three of 12 px
        train([scan.frames[0][:, :40, :40]], QUICK)
    with pytest.raises(TrainingError, match=r"frames of 60 x 60 px leave no room for tiles of 52 x 52 px"):
        train([scan.frames[0][:, :60, :60]], replace(QUICK, window=40))


@pytest.mark.parametrize(("encoder", "window"), [("convolutional", 30), ("convolutional", 4)])
def test_a_window_that_the_encoder_cannot_have_is_declined(scan, encoder, window):
    with pytest.raises(WindowError, match=f"the {encoder} encoder needs a window"):
        train(scan.frames, replace(QUICK, encoder=encoder, window=window))


def test_a_window_larger_than_the_frame_is_declined(scan):
    with pytest.raises(WindowError, match="smaller than the window of 400 x 400 px"):
        train(scan.frames, replace(QUICK, window=400))


def test_frames_of_different_shapes_are_declined(scan):
    with pytest.raises(FrameError, match="one shape"):
        train([scan.frames[0], scan.frames[0][:, :150]], QUICK)


def test_training_that_diverges_is_stopped(scan):
    with pytest.raises(TrainingError, match="the loss became"):
        train(scan.frames, replace(QUICK, constraints={"displacement": 1e38, "smooth": 1e38}))


def test_heavier_divergences_leave_less_information(scan):
    light, heavy = (train(scan.frames, replace(QUICK, steps=80, kl_shift=w, kl_content=w)) for w in (0.1, 30.0))
    for latents in (slice(0, 2), slice(2, None)):
        assert sum(heavy.kl_nats[latents]) < 0.8 * sum(light.kl_nats[latents])
