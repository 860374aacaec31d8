"""A new model beside the old one: tried in a process that may die of it, read, warmed, and handed over if it works."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelFileError, ServiceError
from ..protocol.control_messages import Failure, Swapped
from .encoding import Encoding
from .model_trial import Trial

if TYPE_CHECKING:
    from ...encode.mapper import LatentMapper

__all__ = ["ModelSwap", "load_beside"]

_log = logging.getLogger(__name__)


class ModelSwap:
    """Exchanges the model of a running service.

    Parameters
    ----------
    encoding
        Who serves.
    folder
        Where the operator puts models that may serve; None: no model may be exchanged.
    threads
        Of the new model's encoder.
    signed_by
        File of the public key by whose owner a new model must be signed.

    Raises
    ------
    ServiceError
        if the folder is none.
    """

    def __init__(
        self, encoding: Encoding, folder: Path | None, *, threads: int = 1, signed_by: Path | None = None
    ) -> None:
        if folder is not None and not folder.is_dir():
            raise ServiceError(f"{folder} is no folder: make it, and put the models that may serve there")
        self._encoding, self._folder, self._threads = encoding, folder, threads
        self._signed_by = signed_by
        self._done: queue.SimpleQueue[tuple[bytes, Swapped | Failure]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._trial = Trial()
        self.refused = 0

    def begin(self, peer: bytes, name: str) -> Failure | None:
        """Start to load the model called `name`; None, and the answer comes out of `done`. Or why not."""
        if self._folder is None:
            return Failure(name="model_refused", text="no folder of models was given: start with --models FOLDER")
        if self._thread is not None and self._thread.is_alive():
            return Failure(name="busy", text="another model is being loaded: wait for it")
        path = self._folder / name
        self._thread = threading.Thread(target=self._load, args=(peer, path), name="model swap", daemon=True)
        self._thread.start()
        return None

    def close(self) -> None:
        """End the trial that is going on, if any."""
        self._trial.end()

    def done(self) -> Iterator[tuple[bytes, Swapped | Failure]]:
        """Answers that have become ready, with the peers that asked."""
        while not self._done.empty():
            yield self._done.get()

    def _load(self, peer: bytes, path: Path) -> None:
        old = self._encoding.mapper
        try:
            mapper = load_beside(path, old, self._trial, threads=self._threads, signed_by=self._signed_by)
        except Exception as error:  # noqa: BLE001  # whatever a model file does, the old one serves on
            self.refused += 1
            _log.warning("the model %s was refused: %s", path, error)
            self._done.put((peer, Failure(name="model_refused", text=str(error)[:1000] or type(error).__name__)))
            return
        previous = old.model.sha256
        self._encoding.swap(mapper)
        _log.info("the model is now %s (%s)", path, mapper.model.sha256)
        self._done.put((peer, Swapped(model_sha256=mapper.model.sha256, previous_sha256=previous)))


def load_beside(
    path: Path, old: LatentMapper, trial: Trial, *, threads: int, signed_by: Path | None = None
) -> LatentMapper:
    """The model at `path`, ready to take over from `old` after a `trial`.

    Raises
    ------
    ShiftVaeError
        if it is damaged, hostile, not signed by whom it must be, not for the same kind of frames, or does not run.
    """
    from ...encode.mapper import LatentMapper
    from ...model.model_file import ModelFile

    tried = trial.run(path, old.stride, signed_by)
    model = ModelFile.read(path, signed_by=signed_by)
    if model.sha256 != tried:
        raise ModelFileError(f"{path} changed while it was being tried: put models there in one piece, by renaming")
    new, now = model.manifest, old.model.manifest
    if (new.dimensions, new.channels) != (now.dimensions, now.channels):
        raise ModelFileError(
            f"{path} is for {new.dimensions}D frames of {new.channels} channel(s), "
            f"the service runs one for {now.dimensions}D and {now.channels}: start another service"
        )
    mapper = LatentMapper(model, stride=old.stride, threads=threads, provider=old.provider)
    mapper.map(model.golden.frame if new.dimensions == 2 else model.golden.frame[:, 0])  # warm
    return mapper
