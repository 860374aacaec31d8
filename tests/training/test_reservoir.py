"""Of a long movie a part is in memory, and it depends on the seed and on the number of steps alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from shiftvae_rt.errors import FrameError
from shiftvae_training import reservoir as reservoir_module
from shiftvae_training.regions import Region
from shiftvae_training.reservoir import Reservoir
from shiftvae_training.sampling import TileSampler
from shiftvae_training.training_frames import TrainingFrames, limits_of

SHAPE = (1, 64, 64)


class Movie:
    """Frames of one number each, in chunks of `together`; counts what is read."""

    def __init__(self, count: int, together: int = 1) -> None:
        self.read: list[int] = []
        limits = np.stack([limits_of(self._frame(number)) for number in range(count)])
        groups = np.arange(count) // together
        self.frames = TrainingFrames(self._counted, [SHAPE] * count, limits, groups)

    def _frame(self, number: int) -> np.ndarray:
        pixels = np.full(SHAPE, number, np.uint16)
        pixels[0, 0, 0] += 1
        return pixels

    def _counted(self, number: int) -> np.ndarray:
        self.read.append(number)
        return self._frame(number)


@pytest.fixture
def small(monkeypatch):
    """Room for ten frames; a new one comes every second step."""
    monkeypatch.setattr(reservoir_module, "KEPT_PIXELS", 10 * 64 * 64)
    monkeypatch.setattr(reservoir_module, "PIXELS_A_STEP", 64 * 64 / 2)


def test_frames_come_one_by_one_and_the_oldest_go(small):
    movie = Movie(40)
    kept = Reservoir(movie.frames, [3, 30], seed=1)
    assert list(kept.numbers) == movie.read == [3, 30]
    seen = set()
    for step in range(-5, 77):
        gone, came = kept.refill(step)
        assert came == (step > 0 and step % 2 == 0)
        assert gone == (came and step > 16)
        assert len(kept.numbers) == min(10, 2 + max(0, step) // 2)
        seen |= set(kept.numbers)
    assert seen == set(range(40)), "each frame comes once before any comes again"
    assert sorted(movie.read) == list(range(40))


def test_a_training_that_goes_on_has_the_frames_of_one_that_was_not_interrupted(small):
    whole, later = (Reservoir(Movie(40).frames, [3, 30], seed=1) for _ in range(2))
    for step in range(300):
        whole.refill(step)
    later.refill(299)
    assert whole.numbers == later.numbers
    assert [int(whole.pixels(n)[0, 1, 1]) for n in whole.numbers] == list(whole.numbers)
    assert Reservoir(Movie(40).frames, [3, 30], seed=2).refill(299) == (2, 10)


def test_frames_that_find_room_all_come_after_the_guided_steps_and_stay(small):
    kept = Reservoir(Movie(9).frames, [2, 5], seed=0)
    assert kept.refill(0) == (0, 0)
    assert kept.refill(0.1) == (0, 7)
    assert sorted(kept.numbers) == list(range(9))
    assert kept.refill(10_000) == (0, 0)


def test_frames_of_one_chunk_are_read_one_after_the_other(small):
    movie = Movie(40, together=4)
    kept = Reservoir(movie.frames, [0], seed=0)
    for step in range(200):
        kept.refill(step)
    chunks = [number // 4 for number in movie.read[1:40]]
    changes = sum(a != b for a, b in pairwise(chunks))
    assert changes == 9
    assert chunks != sorted(chunks)


def test_tiles_come_from_the_frames_in_memory_and_looks_from_all(small):
    sampler = TileSampler(Reservoir(Movie(40).frames, [3, 30], seed=1), (20, 20), seed=1)
    assert set(sampler.draw(200).frame) == {3, 30}
    np.testing.assert_array_equal(sampler.place_among_first(np.array([30, 3, 30])), [1, 0, 1])
    looked = sampler.held_out(20)
    assert len(set(looked.frame)) == 20
    sampler.refill(60)
    tiles = sampler.draw(400)
    assert len(set(tiles.frame)) == 10
    assert tiles.pixels[:, 0, 5, 5].tolist() == tiles.frame.tolist()
    assert sampler.held_out(20) is looked
    held = {int(number): looked.origin[looked.frame == number] for number in set(looked.frame)}
    for number, origin in zip(tiles.frame, tiles.origin, strict=True):
        assert all(np.abs(origin - place).max() >= 20 for place in held.get(int(number), []))


def test_places_are_those_of_a_list_of_them_in_the_same_order():
    places = np.random.default_rng(0).random((30, 40)) < 0.6
    held = np.array([[3, 5], [20, 33]])
    region = Region.of(places, held, (6, 9))
    free = places.copy()
    for y, x in held:
        free[max(0, y - 5) : y + 6, max(0, x - 8) : x + 9] = False
    listed = np.argwhere(free)
    assert len(region) == len(listed) < np.count_nonzero(places)
    assert [region.place(number) for number in range(len(listed))] == [tuple(place) for place in listed]


def test_a_sample_of_many_frames_is_drawn_from_all_their_length():
    frames = Movie(2000).frames
    one, other = frames.sample(0), frames.sample(1)
    assert one != other
    assert one == frames.sample(0) == sorted(set(one))
    assert len(one) == 8 * 512 * 512 // 64**2
    assert np.diff([-1, *one, 2000]).max() <= 8, "one of every three or four"
    assert Movie(300).frames.sample(0) == list(range(300))


def test_blank_frames_are_not_in_a_sample():
    limits = np.tile([0.0, 1.0], (2000, 1, 1))
    limits[:1900] = 3.0
    frames = TrainingFrames(lambda _: np.zeros(SHAPE), [SHAPE] * 2000, limits)
    assert min(frames.sample(0)) >= 1900


def test_frames_of_different_shapes_are_refused():
    with pytest.raises(FrameError, match=r"one shape.*\(1, 3, 4\), \(2, 3, 4\)"):
        TrainingFrames.of([np.zeros((1, 3, 4)), np.zeros((2, 3, 4))])
