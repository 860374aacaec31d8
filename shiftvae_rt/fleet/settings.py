"""The file of a fleet (``FLEET.toml``): which services it has, and where they listen."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..errors import ServiceError
from ..kernels.threads import MOST_THREADS
from ..names import MAX_NAME

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["HTTP", "FleetSettings", "ServiceEntry", "read_fleet"]

#: Address of the status page and of the directory.
HTTP = "127.0.0.1:5779"
#: Ports of a service: ingest, results, control, HTTP, from its first one on.
PORTS = 4

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z")]
_Pattern = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class ServiceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service of a fleet; the options are those of ``shiftvae serve``.

    Attributes
    ----------
    name
        Name of the service, for people and logs.
    model
        Model file; a relative path begins at the folder of the fleet's file.
    port
        First of four ports on 127.0.0.1: ingest, results, control, HTTP.
    streams
        Names of the streams that it takes; ``*`` stands for any characters, ``?`` for one.
    cuda_visible_devices
        Value of the environment variable for this service alone; None leaves it as it is.
    stride, threads, provider, max_age, journal, record, models, signed_by, page, priority
        As for ``shiftvae serve``; `stride` in px, `max_age` in s.
    """

    name: _Name
    model: str
    port: Annotated[int, Meta(ge=1, le=65536 - PORTS)]
    streams: Annotated[tuple[_Pattern, ...], Meta(min_length=1)]
    cuda_visible_devices: str | None = None
    stride: Annotated[int, Meta(ge=1)] = 4
    threads: Annotated[int, Meta(ge=1, le=MOST_THREADS)] = 1
    provider: Literal["auto", "native", "onnxruntime", "cuda", "tensorrt"] | None = None
    max_age: Annotated[float, Meta(gt=0)] = 0.25
    journal: str | None = None
    record: bool = False
    models: str | None = None
    signed_by: str | None = None
    page: bool = True
    priority: Literal["below-normal", "normal"] = "below-normal"

    @property
    def addresses(self) -> tuple[str, str, str, str]:
        """Endpoints of ingest, results and control, and the HTTP address."""
        ingest, results, control = (f"tcp://127.0.0.1:{self.port + i}" for i in range(PORTS - 1))
        return ingest, results, control, f"127.0.0.1:{self.port + PORTS - 1}"

    def command(self, folder: Path) -> list[str]:
        """Arguments of ``shiftvae`` that start it; relative paths begin at `folder`."""
        ingest, results, control, http = self.addresses
        words = ["serve", str(folder / self.model), "--ingest", ingest, "--results", results, "--control", control]
        words += ["--http", http, "--stride", str(self.stride), "--threads", str(self.threads)]
        words += ["--max-age", str(self.max_age), "--priority", self.priority, "--json"]
        if self.provider is not None:
            words += ["--provider", self.provider]
        for option, path in (("--journal", self.journal), ("--models", self.models), ("--signed-by", self.signed_by)):
            if path is not None:
                words += [option, str(folder / path)]
        return [*words, *(["--record"] if self.record else []), *([] if self.page else ["--no-page"])]


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet.

    Attributes
    ----------
    service
        Its services, in the order in which the directory asks them.
    http
        Address of its status page and directory on 127.0.0.1.
    """

    service: Annotated[tuple[ServiceEntry, ...], Meta(min_length=1)]
    http: Annotated[str, Meta(pattern=r"^127\.0\.0\.1:[0-9]{1,5}\Z")] = HTTP


def read_fleet(path: str | os.PathLike[str]) -> FleetSettings:
    """Read and check the file of a fleet.

    Parameters
    ----------
    path
        The file, ``FLEET.toml``.

    Raises
    ------
    ServiceError
        for a file that cannot be read or is not TOML; a key that is missing, unknown or wrong, by its name; services
        with the same name or port; a model file that is missing.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = msgspec.convert(content, FleetSettings)
    except OSError as error:
        raise ServiceError(f"cannot read the file of the fleet {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ServiceError(f"{path} is not TOML ({error}): see the page on fleets in the book") from error
    except msgspec.ValidationError as error:
        raise ServiceError(f"{path}: {_in_toml(str(error))}: correct it") from error
    _check(settings, path)
    return settings


#: Words of msgspec, and those of the file.
_WORDS = (
    ("Object contains unknown field", "unknown key"),
    ("Object missing required field", "missing key"),
    ("`str` matching regex", "a text that matches"),
    ("`int`", "a whole number"),
    ("`float`", "a number"),
    ("`str`", "a text"),
    ("`bool`", "true or false"),
    ("`array`", "a list"),
    ("`object`", "a table"),
    ("`", "'"),
    ("Expected", "expected"),
    ("Invalid enum value", "none of the possible values:"),
)
_PLACE = re.compile(r" - at `\$\.?(?:service\[(\d+)\])?\.?(\w*).*`$")


def _in_toml(error: str) -> str:
    """An error of msgspec in the words of the file: its services are numbered from 1."""
    found = _PLACE.search(error)
    words = _PLACE.sub("", error)
    for theirs, ours in _WORDS:
        words = words.replace(theirs, ours)
    if found is None:
        return words
    service = [] if found[1] is None else [f"service {int(found[1]) + 1}"]
    return ", ".join([*service, *([found[2]] if found[2] else [])]) + f": {words}"


def _check(settings: FleetSettings, path: Path) -> None:
    names: set[str] = set()
    taken = {int(settings.http.rpartition(":")[2]): "the status page"}
    for entry in settings.service:
        if entry.name in names:
            raise ServiceError(f"{path}: two services are called {entry.name!r}: give each a name of its own")
        names.add(entry.name)
        for port in range(entry.port, entry.port + PORTS):
            if port in taken:
                raise ServiceError(
                    f"{path}: port {port} is that of {taken[port]} and of {entry.name}, which takes the {PORTS} ports "
                    f"from {entry.port} on: choose ports that are {PORTS} or more apart"
                )
            taken[port] = entry.name
        if not (path.parent / entry.model).is_file():
            raise ServiceError(f"{path}: the model file {path.parent / entry.model} of {entry.name} does not exist")
        if entry.record and entry.journal is None:
            raise ServiceError(f'{path}: {entry.name} has record = true and no journal: give it journal = "FILE"')
