"""The columns of a real scan are named, and move as fits to the single columns of the scan say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_training.export import make_model_file
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.column_fit import find_columns, fit_columns
from shiftvae_training.report.findings import Findings, find
from shiftvae_training.scans import read_scans
from shiftvae_training.train import train

EDGE = 16  # px


@pytest.mark.slow
def test_the_titanium_columns_move_as_single_columns_do(real_data):
    """The Ti of BaTiO3 is fainter than the median of the scan."""
    scans = read_scans([str(real_data("BTO_crystal_1.dm4"))])
    trained = train(scans.frames, Settings(steps=1000))
    model, _ = make_model_file(trained, scans.frames, sources=scans.sources, pixel_size_nm=scans.pixel_size_nm)
    found = find(trained, scans.frames[0], LatentMapper(model, stride=4))
    np.testing.assert_allclose(np.abs(found.meaning.columns_px[1]), (6.7, 6.85), atol=0.4)  # the middle of the cell
    axis = found.meaning.axes[0]
    moved = axis.span * axis.changes.move_px[1]
    expected = way_of_single_columns(found)
    np.testing.assert_allclose(moved, expected, atol=0.2 * np.hypot(*expected))
    assert "column 2 moves" in found.meaning.in_words(axis)


def way_of_single_columns(found: Findings) -> np.ndarray:
    """Way ``(2,)`` px of Ti from the middle of its four Ba neighbours, from the lowest to the highest fifth of z1.

    Columns overlap and are not round: only the pixels around a maximum tell where it is.
    """
    scan, latent_map = found.frame[0].astype(float), found.latent_map
    places = find_columns(scan).astype(float)
    places = places[((places > EDGE) & (places < np.array(scan.shape) - EDGE)).all(axis=1)]
    bright = scan[tuple(places.astype(int).T)]
    barium, titanium = (places[chosen] for chosen in (bright > 2.8e5, bright < 2.6e5))
    assert min(len(barium), len(titanium)) > 900
    fitted = np.concatenate([barium, titanium])
    for _ in range(2):  # the second time around the column itself
        found_there = fit_columns(scan[None], fitted, 2.5).centre[0]
        fitted = np.where(np.isfinite(found_there), found_there, fitted)
    barium, titanium = np.split(fitted, [len(barium)])
    away, nearest = cKDTree(barium).query(titanium, 4)
    inner = away.max(axis=1) < 13
    moved = (titanium - barium[nearest].mean(axis=1))[inner]
    first = np.array([latent_map.centre_y_px[0], latent_map.centre_x_px[0]])
    content = map_coordinates(latent_map["z1"].astype(float), (titanium[inner] - first).T / 4, order=1, mode="nearest")
    low, high = np.quantile(content, (0.2, 0.8))
    return moved[content >= high].mean(axis=0) - moved[content <= low].mean(axis=0)
