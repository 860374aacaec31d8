"""The model file (``.svae``): one zip that holds all a runtime needs, checked before anything in it is used.

Members are stored without compression:

- ``manifest.json``
- ``encoder_s<stride>.onnx``: complete encoders, for any program
- the same network as this runtime runs it: ``layers.onnx``, its weights for the kernels of the CPU, and
  ``dense_s<stride>.onnx``, its graphs for other processors; or ``filters.onnx`` and ``features.onnx``; or
  ``windows.onnx``
- ``rounds.onnx``, for a motif that turns or differs in size: constants of the rounds that improve the latents
- ``golden.npz``: a frame and the outputs that it must give
- optional: ``decoder.onnx``, ``report.html``, ``training.npz`` (the weights that training goes on from), and
  ``manifest.sig`` (see `signature`)

The file is read into memory under size caps, never extracted.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..frame import as_pixels
from ..output_file import write_whole
from .archive import pack_members, read_arrays, unpack_members
from .manifest import Manifest, Member
from .onnx_check import check_graph
from .signature import check_signature, sign

__all__ = ["Golden", "ModelFile", "pack_model_file", "sign_model_file", "write_model_file"]

#: Largest file that is read, bytes.
MAX_FILE_BYTES = 512 << 20


@dataclass(frozen=True)
class Golden:
    """A test frame and the latents that the encoder must give for it.

    ``frame`` is raw ``(C, H, W)``; ``mean`` and ``std`` map each stride to ``(L, rows, cols)``.
    """

    frame: NDArray[Any]
    mean: dict[int, NDArray[np.float32]]
    std: dict[int, NDArray[np.float32]]

    def to_npz(self) -> bytes:
        """Encode as the bytes of ``golden.npz``."""
        buffer = io.BytesIO()
        arrays = {f"mean_s{s}": a for s, a in self.mean.items()} | {f"std_s{s}": a for s, a in self.std.items()}
        np.savez(buffer, frame=self.frame, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, strides: tuple[int, ...]) -> Golden:
        """Decode ``golden.npz`` from `data`.

        Raises
        ------
        ModelFileError
            if it cannot be read, or one of the `strides` is missing.
        """
        arrays = read_arrays(data, "golden.npz")
        try:
            mean, std = ({s: arrays[f"{kind}_s{s}"] for s in strides} for kind in ("mean", "std"))
            return cls(as_pixels(arrays["frame"]), mean, std)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"golden.npz cannot be read ({error}): export the model again") from error


@dataclass(frozen=True)
class ModelFile:
    """A model file whose hashes and graphs were checked.

    Attributes
    ----------
    path
        Path that it was read from, or a name if it is in memory alone.
    manifest
        Description of the model.
    sha256
        Hash of the whole file; every result carries it.
    """

    path: Path
    manifest: Manifest
    sha256: str
    _members: dict[str, bytes] = field(repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, signed_by: Path | None = None) -> ModelFile:
        """Read and check a model file.

        Parameters
        ----------
        path
            The file.
        signed_by
            File of a public key: the model must carry a signature by its owner, which is checked before anything else.

        Raises
        ------
        ModelFileError
            if it is missing, damaged (any bit), foreign, of another version, not signed by that key, or holds a graph
            that may not run.
        KeyFileError
            if the public key cannot be used.
        """
        path = Path(path)
        try:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise ModelFileError(
                    f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} that a model file may have"
                )
            data = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"cannot read the model file {path}: {error.strerror or error}") from error
        return cls.from_bytes(data, path, signed_by=signed_by)

    @classmethod
    def from_bytes(cls, data: bytes, path: str | os.PathLike[str], *, signed_by: Path | None = None) -> ModelFile:
        """Check the content of a model file.

        Parameters
        ----------
        data
            Content of the file.
        path
            Its path, or a name for messages.
        signed_by
            As for `read`.

        Raises
        ------
        ModelFileError, KeyFileError
            as for `read`.
        """
        path = Path(path)
        every = unpack_members(data, str(path))
        if pack_members(every) != data:
            raise ModelFileError(f"{path}: the records of the zip are not as exported: copy the file again")
        if "manifest.json" not in every:
            raise ModelFileError(f"{path} has no manifest.json: it is not a shiftvae model file")
        members = dict(every)
        text, signature = members.pop("manifest.json"), members.pop("manifest.sig", None)
        if signed_by is not None:
            check_signature(text, signature, signed_by, path)
        manifest = Manifest.from_json(text)
        _check_hashes(members, manifest, path)
        needed = [*(f"encoder_s{stride}.onnx" for stride in manifest.strides), "golden.npz"]
        if "filters.onnx" in members:
            needed.append("features.onnx")
        elif "windows.onnx" not in members:
            needed += ["layers.onnx", *(f"dense_s{stride}.onnx" for stride in manifest.strides)]
        if manifest.domain is not None:
            needed.append("decoder.onnx")
        lacking = [name for name in needed if name not in members]
        if lacking:
            raise ModelFileError(f"{path} lacks {', '.join(lacking)}: export the model again")
        for name, content in members.items():
            if name.endswith(".onnx"):
                check_graph(content, name)
        return cls(path, manifest, hashlib.sha256(data).hexdigest(), every)

    def to_bytes(self) -> bytes:
        """Give the content of the whole file, as it was read."""
        return pack_members(self._members)

    def encoder_graph(self, stride: int) -> bytes:
        """Give the serialised encoder, for any program: raw frame in, latents out.

        Its input is ``frame (N, C, H, W)`` float32 in raw detector units, its outputs ``mean`` and ``std``
        ``(N, L, rows, cols)``. `stride` is one of ``manifest.strides``, px; KeyError for any other.
        """
        return self.graph(f"encoder_s{stride}.onnx")

    def graph(self, name: str) -> bytes:
        """Give the serialised graph that is called `name` in the file; KeyError if there is none."""
        return self._members[name]

    def has_graph(self, name: str) -> bool:
        """Tell whether the file holds a graph called `name`."""
        return name in self._members

    @property
    def decoder_graph(self) -> bytes | None:
        """Serialised decoder, if there is one: ``latents (N, L)`` to ``windows (N, C, h, w)``.

        Windows are as the network sees them: after the scaling in the manifest.
        """
        return self._members.get("decoder.onnx")

    @cached_property
    def golden(self) -> Golden:
        """Test frame and its latents.

        Raises
        ------
        ModelFileError
            if they cannot be read.
        """
        return Golden.from_npz(self._members["golden.npz"], self.manifest.strides)

    @property
    def training_state(self) -> bytes | None:
        """Content of ``training.npz``, the weights and looks that training goes on from, if they are there."""
        return self._members.get("training.npz")

    @property
    def report(self) -> str | None:
        """Training report (HTML), if there is one."""
        report = self._members.get("report.html")
        return None if report is None else report.decode()


def write_model_file(path: str | os.PathLike[str], manifest: Manifest, members: dict[str, bytes]) -> None:
    """Write a model file with `manifest` and `members` to `path`, whole or not at all.

    Raises
    ------
    DataFileError
        if it cannot be written.
    """
    write_whole(Path(path), pack_model_file(manifest, members))


def pack_model_file(manifest: Manifest, members: dict[str, bytes]) -> bytes:
    """Give the content of a model file; the manifest's ``members`` are filled in here."""
    hashes = {n: Member(size=len(c), sha256=hashlib.sha256(c).hexdigest()) for n, c in sorted(members.items())}
    manifest = msgspec.structs.replace(manifest, members=hashes)
    return pack_members({"manifest.json": manifest.to_json(), **members})


def sign_model_file(path: str | os.PathLike[str], key: Path) -> ModelFile:
    """Sign the model file at `path` with the key in the file `key`; an older signature is replaced.

    Raises
    ------
    ModelFileError
        if the file is not a valid model file.
    DataFileError
        if it cannot be written.
    KeyFileError
        if the key cannot be used.
    """
    path = Path(path)
    ModelFile.read(path)
    members = unpack_members(path.read_bytes(), str(path))
    members["manifest.sig"] = sign(members["manifest.json"], key)
    write_whole(path, pack_members(members))
    return ModelFile.read(path)


def _check_hashes(members: dict[str, bytes], manifest: Manifest, path: Path) -> None:
    if set(members) != set(manifest.members):
        odd = ", ".join(sorted(set(members) ^ set(manifest.members)))
        raise ModelFileError(f"{path}: members and manifest disagree about {odd}: the file is damaged, copy it again")
    for name, content in members.items():
        promised = manifest.members[name]
        if len(content) != promised.size or hashlib.sha256(content).hexdigest() != promised.sha256:
            raise ModelFileError(f"{path}: {name} is not what was exported (SHA-256 differs): copy the file again")
