"""Header and library of `libshiftvae` in this installation, for programs in C that are built beside Python."""

from __future__ import annotations

import sys
from pathlib import Path

from . import _core

__all__ = ["get_include", "get_library"]


def get_include() -> str:
    """Folder that holds ``shiftvae.h``, for a compiler's ``-I``.

    Raises
    ------
    FileNotFoundError
        if this installation was built without the C library.
    """
    return str(_installed("shiftvae.h").parent)


def get_library() -> str:
    """Path of the shared library: ``libshiftvae.so``, ``libshiftvae.dylib`` or ``shiftvae.dll``.

    Raises
    ------
    FileNotFoundError
        if this installation was built without the C library.
    """
    names = {"win32": "shiftvae.dll", "darwin": "libshiftvae.dylib"}
    return str(_installed(names.get(sys.platform, "libshiftvae.so")))


def _installed(name: str) -> Path:
    path = Path(_core.__file__).parent / "libshiftvae" / name
    if not path.exists():
        raise FileNotFoundError(
            f"expected {path}: this installation was built without the C library; install shiftvae-rt from a wheel, "
            "or with SHIFTVAE_C_LIBRARY=ON"
        )
    return path
