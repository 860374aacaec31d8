"""Replaces the model of a running service: the new one is tried in a process of its own, loaded, and taken into use."""

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

#: Most models that a status lists.
_MAX_NAMES = 256
_log = logging.getLogger(__name__)


class ModelSwap:
    """Replaces the model of a running service.

    Parameters
    ----------
    encoding
        Uses the current model, and gets the new one.
    folder
        Folder of the models that may be swapped in; None: none may.
    threads
        Number of threads of the new model's encoder.
    signed_by
        File of a public key: a new model must be signed by its owner. None: it need not be.

    Attributes
    ----------
    refused
        Number of models that were refused.

    Raises
    ------
    ServiceError
        if `folder` is not a folder.
    """

    def __init__(
        self, encoding: Encoding, folder: Path | None, *, threads: int = 1, signed_by: Path | None = None
    ) -> None:
        if folder is not None and not folder.is_dir():
            raise ServiceError(f"{folder} is no folder: make it, and put the models there that may be swapped in")
        self._encoding, self._folder, self._threads = encoding, folder, threads
        self._signed_by = signed_by
        self._done: queue.SimpleQueue[tuple[bytes, Swapped | Failure]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._trial = Trial()
        self.refused = 0

    def names(self) -> tuple[str, ...]:
        """Names of the files that may be swapped in, sorted; from any thread."""
        if self._folder is None:
            return ()
        try:
            return tuple(sorted(path.name for path in self._folder.glob("*.svae"))[:_MAX_NAMES])
        except OSError:  # the folder is gone
            return ()

    def begin(self, peer: bytes, name: str) -> Failure | None:
        """Start to load the model called `name`: None, and the answer comes from `done`; or the refusal."""
        if self._folder is None:
            text = "this service has no folder of models: start it with --models FOLDER"
            return Failure(name="model_refused", text=text)
        if self._thread is not None and self._thread.is_alive():
            return Failure(name="busy", text="another model is being loaded: try again later")
        path = self._folder / name
        self._thread = threading.Thread(target=self._load, args=(peer, path), name="model swap", daemon=True)
        self._thread.start()
        return None

    def close(self) -> None:
        """End the current trial, if there is one."""
        self._trial.end()

    def done(self) -> Iterator[tuple[bytes, Swapped | Failure]]:
        """Yield the answers that have become ready, each with the peer that sent the request."""
        while not self._done.empty():
            yield self._done.get()

    def _load(self, peer: bytes, path: Path) -> None:
        old = self._encoding.mapper
        try:
            mapper = load_beside(path, old, self._trial, threads=self._threads, signed_by=self._signed_by)
        except Exception as error:  # noqa: BLE001  # no model file may end the service
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
    """Load the model at `path` after a `trial`, ready to replace `old`.

    Raises
    ------
    ShiftVaeError
        if it is damaged or hostile, lacks the required signature, is for another kind of frames, or does not run.
    """
    from ...encode.mapper import LatentMapper
    from ...encode.routes import usual_provider
    from ...model.model_file import ModelFile

    tried = trial.run(path, old.stride, signed_by)
    model = ModelFile.read(path, signed_by=signed_by)
    if model.sha256 != tried:
        raise ModelFileError(
            f"{path} changed while it was being tried: copy it there under another name, and rename it when it is whole"
        )
    new, now = model.manifest, old.model.manifest
    if (new.dimensions, new.channels) != (now.dimensions, now.channels):
        raise ModelFileError(
            f"{path} is for {new.dimensions}D frames with {new.channels} channel(s), but the current model is for "
            f"{now.dimensions}D frames with {now.channels}: start another service for it"
        )
    provider = None if old.provider == usual_provider(old.model) else old.provider
    mapper = LatentMapper(model, stride=old.stride, threads=threads, provider=provider)
    mapper.map(model.golden.frame if new.dimensions == 2 else model.golden.frame[:, 0])  # the first encoding is slow
    return mapper
