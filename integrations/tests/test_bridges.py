"""Each bridge takes 100 frames of its program's own simulator, and every one is accounted for.

A bridge whose program is not installed is skipped, aloud.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from service_beside import ROOT, RUNTIME, Runtime

FRAMES = 100
LIMIT_S = 60.0


def images(count: int = FRAMES, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).poisson(40, (count, side, side)).astype(np.uint16)


def account(outcomes: list, counters) -> str:
    """All frames have one outcome, and the two sides of the count agree."""
    kinds = Counter(each.outcome for each in outcomes)
    assert sum(kinds.values()) == len({each.seq for each in outcomes}) == counters.offered == counters.settled
    return f"{counters.offered} frames: {dict(kinds)}"


def test_libertem_maps_each_image_as_the_runtime_does(runtime: Runtime, tmp_path: Path) -> None:
    libertem = pytest.importorskip("libertem.api", reason="no LiberTEM")
    pytest.importorskip("shiftvae_rt", reason="the UDF needs the runtime in LiberTEM's Python")
    from latent_map_udf import LatentMapUDF

    stack = images()
    stack[17] = 3  # blank
    context = libertem.Context.make_with("inline")
    dataset = context.load("memory", data=stack, sig_dims=2)
    result = context.run_udf(dataset, LatentMapUDF(str(runtime.models / "one.svae"), stride=4))
    mapped = result["mapped"].data
    assert (mapped.shape, int(mapped.sum())) == ((FRAMES,), FRAMES - 1)
    assert np.isnan(result["mean"].data[17]).all()
    assert np.isfinite(result["score"].data[mapped]).all()
    chosen = {str(i): stack[i] for i in (0, 50, 99)}
    for name, expected in runtime.maps(chosen, tmp_path).items():
        np.testing.assert_array_equal(result["mean"].data[int(name)], expected)
    print(f"LiberTEM: {int(mapped.sum())} of {FRAMES} mapped, 1 blank")


def test_napari_shows_a_layer_for_each_latent_and_field(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("npe2", reason="no npe2")
    from npe2 import PluginManager
    from npe2.io_utils import read

    np.save(tmp_path / "movie.npy", images())
    command = [RUNTIME, "-m", "shiftvae_rt", "map", runtime.models / "one.svae", tmp_path / "movie.npy"]
    subprocess.run([*command, "-o", tmp_path / "maps.npz"], check=True, timeout=120, cwd=ROOT, capture_output=True)
    manager = PluginManager.instance()
    manager.discover()
    if "napari-shiftvae" not in {each.name for each in manager.iter_manifests()}:
        pytest.skip("napari-shiftvae is not installed: pip install ./integrations/napari")
    layers = read([str(tmp_path / "maps.npz")], stack=False)
    with np.load(tmp_path / "maps.npz") as maps:
        assert len(layers) == len(maps["names"]) + len(maps["field_names"])
        for number, (image, options, kind) in enumerate(layers[: len(maps["names"])]):
            assert (kind, image.shape[0]) == ("image", FRAMES)
            np.testing.assert_array_equal(image, maps["mean"][:, number])
            assert options["scale"][1:] == pytest.approx((4.0, 4.0))
            assert options["translate"][1:] == pytest.approx((7.5, 7.5))
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(ValueError, match=r"No .*readers"):
        read([str(tmp_path / "other.npz")], stack=False)
    print(f"napari: {len(layers)} layers of {FRAMES} frames")


def test_micromanager_sends_each_image_of_a_sequence(runtime: Runtime) -> None:
    pymmcore_plus = pytest.importorskip("pymmcore_plus", reason="no pymmcore-plus")
    useq = pytest.importorskip("useq")
    from micromanager_bridge import MicroManagerBridge

    core = pymmcore_plus.CMMCorePlus()
    try:
        core.loadSystemConfiguration()  # the demo configuration
    except Exception as error:  # noqa: BLE001  # whatever it raises without adapters
        pytest.skip(f"no device adapters of the demo camera: {error}")
    core.setExposure(2)
    for each in core.getAvailablePixelSizeConfigs():
        core.setPixelSizeUm(each, 2e-5)  # that of the model
    outcomes: list = []
    bridge = MicroManagerBridge(core, stream="camera", endpoint=runtime.endpoints[0], on_outcome=outcomes.append)
    with bridge:
        assert bridge.producer.wait_ready(LIMIT_S)
        core.run_mda(useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=FRAMES))).join(LIMIT_S)
    assert bridge.producer.counters.offered == FRAMES
    assert bridge.producer.errors == 0
    assert sorted(json.loads(each.context)["t"] for each in outcomes) == list(range(FRAMES))
    assert {each.outcome for each in outcomes} <= {"processed", "dropped_producer"}, outcomes[-1].reason
    print("pymmcore-plus:", account(outcomes, bridge.producer.counters))


def test_areadetector_sends_each_array_of_a_channel(runtime: Runtime) -> None:
    pvaccess = pytest.importorskip("pvaccess", reason="no pvaPy")
    from epics_bridge import EpicsBridge

    def array(number: int, image: np.ndarray):
        made = pvaccess.NtNdArray()
        made["uniqueId"] = number
        made["dimension"] = [pvaccess.PvDimension(size, 0, size, 1, False) for size in reversed(image.shape)]
        made["value"] = {"ushortValue": image.ravel()}
        return made

    stack = images(FRAMES + 1)  # a monitor begins with the array that is there
    server = pvaccess.PvaServer("bridge:Image", array(0, stack[0]))
    outcomes: list = []
    bridge = EpicsBridge("bridge:Image", stream="epics", endpoint=runtime.endpoints[0], on_outcome=outcomes.append)
    with bridge:
        assert bridge.producer.wait_ready(LIMIT_S)
        deadline = time.monotonic() + LIMIT_S
        for number in range(FRAMES + 1):
            if number:
                server.update("bridge:Image", array(number, stack[number]))
            while bridge.received + bridge.missed <= number:
                assert time.monotonic() < deadline, "an array did not come"
                time.sleep(0.001)
    server.stop()
    assert bridge.received + bridge.missed == FRAMES + 1
    assert bridge.producer.counters.offered == bridge.received
    assert bridge.producer.errors == 0
    print(f"areaDetector: {bridge.missed} missed,", account(outcomes, bridge.producer.counters))


def test_a_tango_device_maps_what_is_written_to_it(runtime: Runtime) -> None:
    testing = pytest.importorskip("tango.test_context", reason="no PyTango")
    from latent_map_device import LatentMapDevice

    properties = {"ingest": runtime.endpoints[0], "results": runtime.endpoints[1], "stream": "tango"}
    stack = images()
    with testing.DeviceTestContext(LatentMapDevice, properties=properties, process=True) as device:
        for image in stack:
            device.frame = image.astype(np.float32)
        deadline = time.monotonic() + LIMIT_S
        while True:
            offered, processed, dropped, refused = device.counters()
            if offered == FRAMES == processed + dropped + refused or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        assert (offered, processed + dropped, refused) == (FRAMES, FRAMES, 0)
        assert device.latent.shape == (13, 13)
        assert device.score > 0
    print(f"Tango: {processed} processed, {dropped} dropped of {offered}")
