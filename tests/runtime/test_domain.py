"""A frame that the model was not trained on is told from one that it was, by the checks that should tell it."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest
from tiny_models import tiny_domain, tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt import LatentMapper, ModelFile, ModelFileError, extract_windows
from shiftvae_rt.cli import main
from shiftvae_rt.domain import DomainGauge, Ruler, residual_structure, window_features
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.model.model_file import write_model_file

WEIGHTS = tiny_weights()
OBLIQUE = ((9.0, 1.0), (-3.0, 11.0))


def counts(shape=(96, 112), seed=0):
    y, x = np.ogrid[: shape[0], : shape[1]]
    level = 100 * (1.2 + np.sin(0.6 * y) * np.cos(0.5 * x))
    return np.random.default_rng(seed).poisson(level, size=shape).astype(np.uint16)


def model(path, **domain):
    write_model_file(path, tiny_manifest(WEIGHTS, domain=tiny_domain(WEIGHTS, **domain)), tiny_members(WEIGHTS))
    return LatentMapper(path)


def shifts(strain, *, lattice=OBLIQUE, stride=4, rows=30, cols=28):
    """Shift maps of a perfect crystal that is strained by ``strain (2, 2)``: px a px."""
    r = stride * np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")).astype(float)
    gained = np.einsum("ai,arc->irc", np.asarray(strain, float), r)
    return modulo_lattice(gained - r + 0.3, lattice).astype(np.float32)


@pytest.mark.parametrize("strain", [[[0.05, 0], [0, 0.05]], [[0, 0.03], [-0.03, 0]], [[-0.04, 0.01], [0, 0.02]]])
@pytest.mark.parametrize("stride", [1, 4, 16])
def test_the_shift_measures_strain_whatever_the_stride(strain, stride):
    ruler = Ruler(tiny_manifest(WEIGHTS, lattice=OBLIQUE), stride)
    advance = ruler.advance(shifts(strain, stride=stride, rows=40, cols=44))
    np.testing.assert_allclose(ruler.strain(ruler.known(advance)), strain, atol=1e-5)


def test_a_strain_of_one_is_as_many_turns_as_the_ruler_says():
    ruler = Ruler(tiny_manifest(WEIGHTS), 4)  # 10 px square, ruler of 16 px
    np.testing.assert_allclose(ruler.turns, 1.6)
    advance = ruler.advance(shifts([[0.01, 0], [0, 0]], lattice=((10, 0), (0, 10))))
    np.testing.assert_allclose(advance[0, 4:], 0.016, atol=1e-5)
    np.testing.assert_allclose(advance[1:], 0, atol=1e-5)


def test_without_a_lattice_there_is_no_ruler():
    ruler = Ruler(tiny_manifest(WEIGHTS, lattice=()), 4)
    advance = ruler.advance(np.zeros((4, 9, 9), np.float32))
    assert advance.shape == (0, 9, 9)
    assert window_features(np.zeros((4, 9, 9)), np.ones((4, 9, 9)), advance, 2).shape == (6, 9, 9)


def test_scores_are_distances_in_units_of_the_limit():
    rng = np.random.default_rng(0)
    whitening = rng.normal(size=(10, 10))
    domain = tiny_domain(WEIGHTS, centre=tuple(rng.normal(size=10)), whitening=tuple(map(tuple, whitening.tolist())))
    manifest = tiny_manifest(WEIGHTS, domain=domain)
    mean, std = rng.normal(size=(4, 150, 120)).astype(np.float32), rng.uniform(0.1, 1, (4, 150, 120)).astype(np.float32)
    scores = DomainGauge(manifest, domain, 4).score_windows(mean, std)
    features = window_features(mean, std, Ruler(manifest, 4).advance(mean), 2).astype(float)
    away = np.einsum("ij,jrc->irc", whitening, features - np.reshape(domain.centre, (-1, 1, 1)))
    wanted = np.linalg.norm(away, axis=0)
    np.testing.assert_allclose(scores, wanted, rtol=1e-4)


def test_white_noise_has_no_structure_whatever_its_strength_and_a_motif_that_is_not_drawn_has():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] * 2 * np.pi / 16
    motif = 2 * np.sin(y) * np.cos(x)  # its neighbours correlate by about cos (2 pi / 16)
    for noise in (0.3, 3.0):
        sd = np.sqrt(motif.var() + noise**2)
        seen = ((motif + noise * rng.normal(size=(400, 1, 16, 16))) / sd).astype(np.float32)
        drawn = np.broadcast_to(motif / sd, seen.shape).astype(np.float32)
        assert abs(residual_structure(seen, drawn)) < 0.005
        assert residual_structure(seen, 0 * drawn) == pytest.approx(np.cos(np.pi / 8) * motif.var() / sd**2, rel=0.1)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({}, ""),
        ({"most_strain": 1e-4}, r"^(the period along [yx] is|the lattice is sheared or turned by)"),
        ({"structure": -1.0, "most_structure": 0.1}, "^another motif"),
        ({"most_windows_out": 1e-9, "whitening": tuple(map(tuple, np.eye(10).tolist()))}, "^100 % of the windows"),
    ],
    ids=["none", "period", "motif", "windows"],
)
def test_each_check_says_why_a_frame_is_out(tmp_path, limits, reason):
    verdict = model(tmp_path / "m.svae", **limits).map(counts()).domain
    assert verdict.out_of_domain == bool(limits) == (verdict.score > 1)
    if reason:
        assert re.search(reason, verdict.reason)
    else:
        assert verdict.reason == ""


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_frame_in_rows_is_judged_as_the_whole(tmp_path, lines):
    mapper = model(tmp_path / "m.svae")
    whole = mapper.map(counts())
    scan = mapper.begin_scan((96, 112), dtype=np.uint16)
    for first in range(0, 96, lines):
        band = scan.push_rows(counts()[first : first + lines])
        assert band is None or band.window_scores is None
        if first == lines:
            assert (scan.result().domain is None) == (band is None)
    np.testing.assert_array_equal(scan.result().window_scores, whole.window_scores)
    assert scan.result().domain == whole.domain


@pytest.mark.parametrize("strain", [1e-4, 1e3], ids=["another lattice", "the same"])
def test_a_band_has_the_verdict_on_the_rows_so_far(tmp_path, strain):
    mapper = model(tmp_path / "m.svae", most_strain=strain)
    scan, frame, found = mapper.begin_scan((96, 112), dtype=np.uint16), counts(), []
    for first in range(0, 96, 8):
        band = scan.push_rows(frame[first : first + 8])
        if band is not None and not scan.complete:
            new = band.domain is not None and band.domain not in found
            assert not new or band.domain == scan.result().domain
            found.append(band.domain)
    assert found[0] is None
    judged = [verdict for verdict in found if verdict is not None]
    assert len(judged) > 4
    assert judged[-1].out_of_domain == (strain < 1)
    assert len({id(verdict) for verdict in judged}) == 4  # renewed with each row of samples


def test_the_limits_are_wider_for_a_part_of_a_frame(tmp_path):
    mapper, frame = model(tmp_path / "m.svae", most_strain=1e-4), counts()
    part = mapper.begin_scan((96, 112), dtype=np.uint16)
    part.push_rows(frame[:24])  # the first of four rows of samples, and no more
    assert part._samples.share == 0.25
    strain = Ruler(mapper.model.manifest, 4)
    known = strain.known(strain.advance(part.result().mean))
    most = np.abs(strain.strain(known) - mapper.model.manifest.domain.strain).max() / 1e-4
    assert part.result().domain.score == pytest.approx(most / 2, abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"channels": 2}], ids=["one channel", "two"])
def test_the_samples_are_the_windows_as_the_encoder_sees_them(tmp_path, options):
    mapper = LatentMapper(write_tiny_model(tmp_path / "m.svae", **options))
    frame = np.stack([counts(seed=s) for s in range(options.get("channels", 1))])
    scan = mapper.begin_scan((96, 112), dtype=np.uint16)
    for first in range(0, 96, 5):
        scan.push_rows(frame[:, first : first + 5])
    samples = scan._samples
    assert (len(samples.rows), len(samples.cols)) == (4, 4)
    wanted = extract_windows(frame, (16, 16), 4, normalisation="zscore", sd_floor=1e-3)
    wanted = wanted[samples.rows[:, None], samples.cols].reshape(16, len(frame), 16, 16)
    np.testing.assert_allclose(samples.windows, wanted, atol=1e-5)


def test_a_signal_is_judged_too(tiny_line_model):
    found = LatentMapper(tiny_line_model).map(counts((1, 900))[0])
    assert found.window_scores.shape == found.mean.shape[1:]
    assert not found.domain.out_of_domain


def test_a_model_without_a_domain_gives_no_verdict(tmp_path):
    write_model_file(tmp_path / "m.svae", tiny_manifest(WEIGHTS, domain=None), tiny_members(WEIGHTS))
    found = LatentMapper(tmp_path / "m.svae").map(counts())
    assert found.domain is None
    assert found.window_scores is None


def test_a_domain_that_does_not_fit_is_refused(tmp_path):
    manifest = tiny_manifest(WEIGHTS, domain=msgspec.structs.replace(tiny_domain(WEIGHTS), centre=(0.0,) * 3))
    write_model_file(tmp_path / "m.svae", manifest, tiny_members(WEIGHTS))
    with pytest.raises(ModelFileError, match=r"domain: centre and whitening of sizes \[3, 10\]"):
        ModelFile.read(tmp_path / "m.svae")


def test_a_domain_needs_the_decoder(tmp_path):
    members = tiny_members(WEIGHTS)
    del members["decoder.onnx"]
    write_model_file(tmp_path / "m.svae", tiny_manifest(WEIGHTS), members)
    with pytest.raises(ModelFileError, match=r"lacks decoder\.onnx"):
        ModelFile.read(tmp_path / "m.svae")


def test_map_warns_in_one_line(tmp_path, capsys):
    model(tmp_path / "m.svae", structure=-1.0, most_structure=0.1)
    np.save(tmp_path / "a.npy", np.stack([counts(seed=1), counts(seed=2)]))
    assert main(["map", str(tmp_path / "m.svae"), str(tmp_path / "a.npy"), "-o", str(tmp_path / "a.npz")]) in (0, None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shiftvae: warning: out of domain: 2 of 2 frames, most of all a.npy")
    assert "another motif" in line
    write_tiny_model(tmp_path / "wide.svae")
    main(["map", str(tmp_path / "wide.svae"), str(tmp_path / "a.npy"), "-o", str(tmp_path / "b.npz")])
    assert capsys.readouterr().err == ""
