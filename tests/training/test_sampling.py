"""Training tiles never touch a held-out pixel, and a seed gives the same tiles."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.errors import TrainingError
from shiftvae_training.regions import HELD_OUT
from shiftvae_training.sampling import SHOWN, TileSampler, places_within


def numbered(*shapes, channels=1) -> list[np.ndarray]:
    """Frames in which every pixel has its own number."""
    return [np.arange(channels * h * w, dtype=np.uint32).reshape(channels, h, w) for h, w in shapes]


@pytest.mark.parametrize(
    ("shapes", "tile"),
    [
        (((90, 110),), (20, 20)),
        (((64, 64), (64, 64), (64, 64)), (30, 30)),
        (((1, 800),), (1, 44)),
        (((50, 200),), (36, 36)),
    ],
    ids=["one frame", "three frames", "signal", "narrow"],
)
@pytest.mark.parametrize("seed", range(5))
def test_no_training_tile_touches_a_held_out_tile(shapes, tile, seed):
    frames = numbered(*shapes)
    sampler = TileSampler(frames, tile, seed=seed)
    held = sampler.held_out(10_000)
    assert len(held.pixels) >= len(shapes)
    for index, frame in enumerate(frames):
        kept_apart = np.zeros(frame.shape[1:], bool)
        for y, x in held.origin[held.frame == index]:
            kept_apart[y : y + tile[0], x : x + tile[1]] = True
        assert kept_apart.any()
        region = sampler._regions[index]
        assert len(region) > 0
        for y, x in map(region.place, range(len(region))):  # every training tile there is
            assert not kept_apart[y : y + tile[0], x : x + tile[1]].any()


def test_every_other_place_is_used():
    sampler = TileSampler(numbered((90, 110)), (20, 20), seed=0)
    held = sampler.held_out(10_000)
    touching = np.zeros((71, 91), bool)
    for y, x in held.origin:
        touching[max(0, y - 19) : y + 20, max(0, x - 19) : x + 20] = True
    assert sampler.places == np.count_nonzero(~touching)
    assert sampler.places >= 0.4 * touching.size


def test_about_a_tenth_is_held_out():
    sampler = TileSampler(numbered((400, 400)), (36, 36), seed=0)
    assert len(sampler.held_out(1000).pixels) == round(HELD_OUT * 400 * 400 / 36**2)


def test_tiles_are_the_pixels_at_their_origin():
    frames = numbered((60, 70), (60, 70), channels=2)
    sampler = TileSampler(frames, (16, 16), seed=3)
    for tiles in (sampler.draw(50), sampler.held_out(7)):
        assert tiles.pixels.dtype == np.float32
        for pixels, index, (y, x) in zip(tiles.pixels, tiles.frame, tiles.origin, strict=True):
            np.testing.assert_array_equal(pixels, frames[index][:, y : y + 16, x : x + 16])


def test_all_frames_are_drawn_from_as_their_places_go():
    sampler = TileSampler(numbered((60, 60), (60, 60), (200, 60)), (16, 16), seed=0)
    share = np.bincount(sampler.draw(4000).frame, minlength=3) / 4000
    wanted = np.array([len(region) for region in sampler._regions]) / sampler.places
    np.testing.assert_allclose(share, wanted, atol=0.03)


def test_a_seed_gives_the_same_tiles_and_another_does_not():
    frames = numbered((90, 110))
    one, same, other = (TileSampler(frames, (20, 20), seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(one.held_out(9).pixels, same.held_out(9).pixels)
    first = one.draw(30).pixels
    np.testing.assert_array_equal(first, same.draw(30).pixels)
    assert not np.array_equal(first, one.draw(30).pixels)
    assert not np.array_equal(first, other.draw(30).pixels)
    assert not np.array_equal(one.held_out(1).origin, other.held_out(1).origin)


def test_the_held_out_tiles_are_the_same_at_every_look():
    sampler = TileSampler(numbered((200, 200)), (20, 20), seed=0)
    first = sampler.held_out(5)
    sampler.draw(100)
    np.testing.assert_array_equal(first.origin, sampler.held_out(5).origin)
    assert len(first.pixels) == 5


@pytest.mark.parametrize("seed", range(20))
def test_a_small_frame_leaves_room_whatever_the_seed(seed):
    sampler = TileSampler(numbered((64, 64)), (30, 30), seed=seed)
    assert sampler.places >= 35**2 - 30**2
    assert len(sampler.held_out(10).pixels) == 1


@pytest.mark.parametrize("shape", [(30, 30), (36, 36), (40, 40), (20, 500)])
def test_frames_without_room_are_refused(shape):
    with pytest.raises(
        TrainingError, match=rf"frames of {shape[0]} x {shape[1]} px leave no room for tiles of 36 x 36 px"
    ):
        TileSampler(numbered(shape), (36, 36), seed=0)


def test_tiles_lie_in_the_mask_those_that_are_held_out_too():
    mask = np.zeros((160, 120), bool)
    mask[60:150, 10:110] = True
    sampler = TileSampler(numbered((160, 120)), (20, 24), seed=0, places=[places_within(mask, (20, 24))])
    held = sampler.held_out(1000)
    assert len(held.origin) > 1
    for y, x in [*sampler.draw(500).origin, *held.origin]:
        assert mask[y : y + 20, x : x + 24].mean() >= SHOWN
    assert sampler.places > 0.3 * np.count_nonzero(mask)


def test_a_mask_without_room_gives_what_lies_in_it_most_and_an_empty_one_nothing():
    stripes = np.zeros((60, 60), bool)
    stripes[:, ::3] = True
    places = places_within(stripes, (20, 20))
    assert places.shape == (41, 41)
    assert places.any()
    assert not places_within(np.zeros((60, 60), bool), (20, 20)).any()
    assert places_within(np.ones((60, 60), bool), (20, 20)).all()
    assert places_within(np.ones((10, 60), bool), (20, 20)).size == 0
