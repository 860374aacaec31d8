"""Swift, headless, with its simulated microscope and the plug-in; beside it a service in the Python of the runtime."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lattice_sample import scan as lattice_scan

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from service_beside import ROOT, RUNTIME, Runtime  # noqa: F401  # RUNTIME is for the tests

LIMIT_S = 60.0


class Microscope:
    """Swift's window, its scan device, and what Swift announced of its frames."""

    def __init__(self, context: Any) -> None:
        self.context, self.window, self.device = context, context.document_controller, context.scan_hardware_source
        self.announced: dict[tuple[str, str], np.ndarray] = {}
        self.channels = 1
        self._listener = self.device.xdatas_available_event.listen(self._available)

    def _available(self, promises: Any) -> None:
        for promise in promises:
            xdata = promise.xdata
            key = (str(xdata.metadata["scan"]["scan_id"]), str(xdata.metadata["hardware_source"]["channel_name"]))
            self.announced[key] = np.array(xdata.data)

    def set(self, size: int, field_nm: float, *, channels: int = 1, pixel_time_us: float = 1.0) -> None:
        """Set size, field of view, number of channels and speed of the next scans."""
        parameters = self.device.get_frame_parameters(0)
        parameters.pixel_size, parameters.fov_nm = (size, size), field_nm
        parameters.pixel_time_us = pixel_time_us
        self.device.set_frame_parameters(0, parameters)
        self.device.set_current_frame_parameters(parameters)
        self.channels = channels
        for channel in range(self.device.channel_count):
            self.device.set_channel_enabled(channel, channel < channels)

    def until(self, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Run the user interface until `condition` holds."""
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.window.periodic()
            threading.Event().wait(0.002)

    def scan(self, frames: int) -> None:
        """Scan until Swift has announced `frames` more frames, and stop."""
        wanted = len(self.announced) + frames * self.channels
        self.device.start_playing()
        self.until(lambda: len(self.announced) >= wanted)
        self.stop()

    def stop(self) -> None:
        self.device.stop_playing()
        self.until(lambda: not self.device.is_playing)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    made = Runtime(tmp_path_factory.mktemp("runtime"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="session")
def plug_in_path() -> None:
    """The plug-in of this checkout, if none is installed."""
    import nionswift_plugin

    folder = str(ROOT / "integrations" / "nionswift" / "nionswift_plugin")
    if folder not in list(nionswift_plugin.__path__):
        nionswift_plugin.__path__.append(folder)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Exceptions that end a thread; and at the end, those that Swift prints, if they came through the plug-in."""
    found: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda about: found.append(repr(about)))
    monkeypatch.setattr(sys, "unraisablehook", lambda about: found.append(repr(about.exc_value)))
    yield found
    out, printed = capfd.readouterr()
    with capfd.disabled():
        print(out)
    assert "nionswift_plugin/shiftvae" not in out + printed, out + printed


@pytest.fixture
def microscope(plug_in_path: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Microscope]:
    from nion.instrumentation.test import AcquisitionTestContext
    from nion.swift import Facade
    from nion.swift.test import TestContext
    from nion.usim_device import DeviceConfiguration, InstrumentDevice

    scans = iter(range(10**6))

    def generate(_: Any, __: Any, parameters: Any) -> np.ndarray:
        centre = (parameters.center_nm.y, parameters.center_nm.x)
        return lattice_scan(tuple(parameters.size), tuple(parameters.fov_size_nm), centre_nm=centre, seed=next(scans))

    monkeypatch.setattr(InstrumentDevice.ScanDataGenerator, "generate_scan_data", generate)
    setup = TestContext.TestSetup(set_global=True)
    Facade.initialize()
    configuration = DeviceConfiguration.AcquisitionContextConfiguration(sample_index=0)
    with AcquisitionTestContext.AcquisitionTestContext(configuration, is_app=True) as context:
        scope = Microscope(context)
        yield scope
        scope.close()
    del setup


@pytest.fixture
def plug_in(microscope: Microscope, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The live extension, loaded as Swift loads it."""
    from nion.swift.model import PlugInManager

    for name, endpoint in zip(("INGEST", "RESULTS", "CONTROL"), runtime.endpoints, strict=True):
        monkeypatch.setenv(f"SHIFTVAE_{name}", endpoint)
    PlugInManager.load_plug_in("here", "nionswift_plugin.shiftvae")
    (extension,) = [each for each in PlugInManager.extensions if type(each).__name__ == "ShiftvaeLiveExtension"]
    yield extension
    for each in PlugInManager.extensions:
        each.close()
    PlugInManager.extensions.clear()
