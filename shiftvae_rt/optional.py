"""Optional packages: imported when a function needs them; an error names a missing one."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["require"]


def require(package: str, wanted: str, install: str = "") -> ModuleType:
    """Import the module `package`.

    Parameters
    ----------
    package
        Name of the module, from the package of the same name.
    wanted
        The function that needs it, for the message.
    install
        Name that pip installs, if it is not that of the package.

    Raises
    ------
    ImportError
        if it is not installed, with its name and how to install it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        top = package.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise ImportError(
            f"{wanted} needs the Python package {top}, which is not installed: pip install {install or top}", name=top
        ) from error
