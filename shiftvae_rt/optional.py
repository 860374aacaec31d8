"""Packages that only some of the functions need: imported when they are used, named where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["require"]


def require(package: str, wanted: str, install: str = "") -> ModuleType:
    """Import `package`.

    Parameters
    ----------
    package
        Name of the module; a package of the same name has it.
    wanted
        What needs it, for the message.
    install
        What pip is to install, where that is not the package itself.

    Raises
    ------
    ImportError
        with the package's name and how to install it.
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
