"""Scans of Swift's simulated microscope become maps: whole, in several channels, through aborts and restarts."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Microscope, Runtime
from shiftvae_client import FrameOutcome

NM_PER_PX = 0.02  # that of the model


class Kept:
    """Every complete map that the plug-in got, with the context that it gave."""

    def __init__(self, plug_in: Any) -> None:
        self.maps: dict[tuple[str, str], np.ndarray] = {}
        self.outcomes: list[FrameOutcome] = []
        self.bands = 0
        put = plug_in.live.items.put

        def keep(stream: str, snapshot: Any) -> None:
            result = snapshot.result
            self.bands += not result.complete
            if result.complete:
                key = (snapshot.context["scan_id"], snapshot.context["channel"])
                self.maps[key] = np.array(result.latent_map.mean)
            put(stream, snapshot)

        plug_in.live.items.put = keep


@pytest.fixture
def kept(plug_in: Any, microscope: Microscope, monkeypatch: pytest.MonkeyPatch) -> Kept:
    from nionswift_plugin.shiftvae import scans

    microscope.until(lambda: plug_in.live.state().model == "one.svae" and plug_in.live.reader.connected)
    made = Kept(plug_in)
    monkeypatch.setattr(scans, "Producer", functools.partial(scans.Producer, on_outcome=made.outcomes.append))
    return made


def check_maps(kept: Kept, microscope: Microscope, runtime: Runtime, folder: Path) -> int:
    """Compare the map of each frame that Swift announced with that of `LatentMapper`; the number of maps."""
    maps = {key: values for key, values in list(kept.maps.items()) if key in microscope.announced}
    expected = runtime.maps({str(i): microscope.announced[key] for i, key in enumerate(maps)}, folder)
    for name, found in zip(expected, maps.values(), strict=True):
        np.testing.assert_array_equal(found, expected[name])
    return len(maps)


def is_blank(microscope: Microscope, outcome: FrameOutcome) -> bool:
    """True for a refusal of a frame that was blank when Swift announced it: its simulator gives one now and then."""
    context = json.loads(outcome.context)
    frame = microscope.announced.get((context["scan_id"], context["channel"]))
    return "constant" in outcome.reason and frame is not None and frame.min() == frame.max()


def accounted(plug_in: Any) -> Any:
    counters = plug_in.live.state().counters
    return counters, counters.offered == counters.settled


def test_twenty_scans_with_all_that_happens_at_a_microscope(
    microscope: Microscope, plug_in: Any, kept: Kept, runtime: Runtime, faults: list[str], tmp_path: Path
) -> None:
    microscope.set(512, 512 * NM_PER_PX, channels=2, pixel_time_us=2.0)
    microscope.scan(8)
    for _ in range(3):  # aborts in mid-scan
        before = kept.bands
        microscope.device.start_playing()
        microscope.until(lambda before=before: kept.bands > before)
        microscope.device.abort_playing()
        microscope.until(lambda: not microscope.device.is_playing)
    microscope.scan(2)
    microscope.set(256, 256 * NM_PER_PX)
    microscope.scan(3)
    microscope.set(512, 512 * NM_PER_PX, pixel_time_us=2.0)
    microscope.device.start_playing()
    before = kept.bands
    microscope.until(lambda: kept.bands > before)
    runtime.kill()
    microscope.until(lambda: not plug_in.live.reader.connected)
    microscope.stop()
    runtime.start()
    microscope.until(lambda: plug_in.live.reader.connected and plug_in.live.state().model == "one.svae")
    microscope.scan(4)
    microscope.until(lambda: accounted(plug_in)[1])
    counters, _ = accounted(plug_in)
    maps = check_maps(kept, microscope, runtime, tmp_path)
    print(f"\n{maps} maps of {len(microscope.announced)} announced frames are those of LatentMapper; {counters}")
    assert maps >= 2 * 8
    assert all(is_blank(microscope, each) for each in kept.outcomes if each.outcome in ("rejected", "quarantined"))
    assert len(kept.outcomes) == counters.offered
    assert (faults, plug_in.live.errors) == ([], [])


def test_the_scan_keeps_its_pace(microscope: Microscope, plug_in: Any, kept: Kept) -> None:
    """Spacing of Swift's updates while the plug-in sends and shows, beside that while it does nothing."""
    arrivals: list[float] = []
    sent_at: dict[tuple[str, int], float] = {}
    latencies: list[float] = []
    put = plug_in.live.items.put

    def arrived(_: Any, xdata: Any) -> None:
        arrivals.append(time.perf_counter())
        sent_at.setdefault((xdata.metadata["scan"]["scan_id"], xdata.metadata["scan"]["valid_rows"]), arrivals[-1])

    def mapped(stream: str, snapshot: Any) -> None:
        began = sent_at.get((snapshot.context["scan_id"], snapshot.result.valid_rows))
        if began is not None:
            latencies.append(time.perf_counter() - began)
        put(stream, snapshot)

    plug_in.live.items.put = mapped
    listener = microscope.device.data_channel_updated_event.listen(arrived)
    microscope.set(512, 512 * NM_PER_PX, pixel_time_us=4.0)
    spacings = []
    send = plug_in.live.scans._updated
    for sending in (False, True):
        plug_in.live.scans._updated = send if sending else (lambda *_: None)
        arrivals.clear()
        microscope.scan(5)
        spacings.append(np.diff(arrivals) * 1e3)
    listener.close()
    quiet, busy = (np.percentile(each, [50, 95]) for each in spacings)
    slab = np.percentile(np.array(latencies) * 1e3, [50, 95])
    print(f"\nspacing of updates, p50 and p95: {quiet.round(1)} ms without, {busy.round(1)} ms with the plug-in")
    print(f"from an update to its map, p50 and p95: {slab.round(1)} ms, {len(latencies)} results")
    assert busy[0] < 1.25 * quiet[0]


def test_a_subscan_has_maps_of_its_own(
    microscope: Microscope, plug_in: Any, kept: Kept, runtime: Runtime, faults: list[str], tmp_path: Path
) -> None:
    from nion.utils import Geometry

    microscope.set(512, 512 * NM_PER_PX)
    microscope.scan(1)
    microscope.device.subscan_enabled = True
    microscope.device.subscan_region = Geometry.FloatRect.from_tlhw(0.25, 0.25, 0.5, 0.5)
    microscope.scan(2)
    microscope.until(lambda: accounted(plug_in)[1])
    assert {frame.shape for frame in microscope.announced.values()} == {(512, 512), (256, 256)}
    assert check_maps(kept, microscope, runtime, tmp_path) >= 2
    assert len(plug_in.live.scans.counters()) == 2, "the channel, and its subscan"
    assert (faults, plug_in.live.errors) == ([], [])


def test_data_items_have_calibration_and_provenance_and_grow(
    microscope: Microscope, plug_in: Any, kept: Kept, faults: list[str]
) -> None:
    microscope.set(512, 512 * NM_PER_PX, pixel_time_us=5.0)
    items = microscope.context.document_model
    grown = set()

    def item(quantity: str) -> Any:
        (found,) = [each for each in items.data_items if each.title.startswith(f"{quantity} (")] or [None]
        return found

    def look() -> bool:
        if item("z1") is not None:
            grown.add(int(np.isfinite(item("z1").data).all(axis=1).sum()))
        return bool(kept.maps)

    microscope.device.start_playing()
    microscope.until(look)
    microscope.stop()
    microscope.until(lambda: item("z1").metadata["shiftvae"]["complete"] and item("exx") is not None)
    rows = (512 - 16) // 4 + 1
    assert len(grown) > 2, grown
    xdata = item("z1").xdata
    assert xdata.data_shape == (rows, rows)
    y, x = xdata.dimensional_calibrations
    assert (y.units, x.units) == ("nm", "nm")
    assert y.scale == pytest.approx(4 * NM_PER_PX)
    frame = next(each for each in items.data_items if each.data_shape == (512, 512)).dimensional_calibrations[0]
    centre_of_first_window = frame.convert_to_calibrated_value(8)
    assert y.convert_to_calibrated_value(0.5) == pytest.approx(centre_of_first_window)
    about = item("exx").metadata["shiftvae"]
    assert (about["quantity"], about["stride_px"], about["window_px"]) == ("exx", 4, [16, 16])
    assert (about["scan_id"], about["channel"]) in microscope.announced
    assert len(about["model_sha256"]) == 64
    assert item("exx").intensity_calibration.units == "%"
    assert np.isfinite(item("exx").data).all()
    assert item("dy") is None, "shifts are shown on request"
    assert (faults, plug_in.live.errors) == ([], [])


def test_data_items_are_set_at_most_ten_times_a_second(microscope: Microscope, plug_in: Any, kept: Kept) -> None:
    microscope.set(512, 512 * NM_PER_PX, pixel_time_us=4.0)
    microscope.scan(1)
    began, before, bands = time.monotonic(), plug_in.live.items.updates, kept.bands
    microscope.scan(4)
    took_s = time.monotonic() - began
    updates = plug_in.live.items.updates - before
    print(f"\n{kept.bands - bands} bands in {took_s:.2f} s, {updates} updates of the data items")
    assert updates <= 10 * took_s + 1


def test_another_pixel_size_is_refused_and_said(microscope: Microscope, plug_in: Any, kept: Kept) -> None:
    microscope.set(256, 256 * 2 * NM_PER_PX)
    microscope.scan(2)
    microscope.until(lambda: accounted(plug_in)[1])
    counters, _ = accounted(plug_in)
    assert counters.rejected >= 1
    assert kept.maps == {}
    assert "pixel_size" in plug_in.live.state().service
    microscope.set(256, 256 * NM_PER_PX)
    microscope.scan(1)
    microscope.until(lambda: len(kept.maps) > 0 and "pixel_size" not in plug_in.live.state().service)


def test_another_model_is_chosen_in_the_panel(microscope: Microscope, plug_in: Any, kept: Kept) -> None:
    assert plug_in.live.state().models == ("one.svae", "two.svae")
    assert plug_in.live.state().stride == 4
    plug_in.live.swap("two.svae")
    microscope.set(256, 256 * NM_PER_PX)
    microscope.device.start_playing()  # the new model serves from the next frame on
    microscope.until(lambda: plug_in.live.state().model == "two.svae")
    plug_in.live.swap("three.svae")
    microscope.until(lambda: len(plug_in.live.errors) == 1)
    assert "three.svae" in str(plug_in.live.errors[0])
    plug_in.live.swap("one.svae")
    microscope.until(lambda: plug_in.live.state().model == "one.svae")
    microscope.stop()


def test_another_address_is_taken_and_a_wrong_one_refused(microscope: Microscope, plug_in: Any, kept: Kept) -> None:
    right = plug_in.live.settings
    plug_in.live.apply(dataclasses.replace(right, results="localhost"))
    assert "tcp://HOST:PORT" in str(plug_in.live.errors[0])
    assert plug_in.live.settings == right
    plug_in.live.apply(dataclasses.replace(right, results="tcp://127.0.0.1:9"))
    microscope.until(lambda: not plug_in.live.reader.connected)
    plug_in.live.apply(right)
    microscope.until(lambda: plug_in.live.reader.connected)
