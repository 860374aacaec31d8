"""Every error that shiftvae-rt raises on purpose.

::

    ShiftVaeError
    ├── FrameError        (ValueError)       a frame or signal that cannot be encoded
    ├── WindowError       (ValueError)       a window or stride that does not fit the frame
    ├── LatticeError      (ValueError)       no lattice, or not the one expected
    ├── PixelSizeError    (ValueError)       frame and model disagree on the pixel size
    ├── TrainingError     (ValueError)       a training that ended without a usable model
    ├── ModelFileError    (ValueError)       damaged, foreign or unsafe .svae
    ├── DataFileError     (OSError)          a microscope file that cannot be read or a result not written
    ├── ProviderError     (RuntimeError)     onnxruntime cannot run on the requested provider
    ├── WireError         (ValueError)       a message that breaks the protocol
    ├── ServiceError      (ConnectionError)  port taken, service absent or gone
    ├── JournalError      (OSError)          a journal that cannot be opened, read or written
    └── KeyFileError      (ValueError)       a key file that is damaged, open to others, or unknown

Every message says what was expected, what came, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "DataFileError",
    "FrameError",
    "JournalError",
    "KeyFileError",
    "LatticeError",
    "ModelFileError",
    "PixelSizeError",
    "ProviderError",
    "ServiceError",
    "ShiftVaeError",
    "TrainingError",
    "WindowError",
    "WireError",
    "few",
]

#: Number of reasons that one line names.
FEW = 5


def few(reasons: Sequence[str]) -> str:
    """Give the first of many reasons on one line, and the number of the others.

    >>> few([f"a[{n}]: blank" for n in range(7)])
    'a[0]: blank; a[1]: blank; a[2]: blank; a[3]: blank; a[4]: blank; and 2 more'
    """
    more = [f"and {len(reasons) - FEW} more"] if len(reasons) > FEW else []
    return "; ".join([*reasons[:FEW], *more])


class ShiftVaeError(Exception):
    """Base of every error raised on purpose; catch this to catch them all."""


class FrameError(ShiftVaeError, ValueError):
    """A frame or signal that cannot be encoded: shape, dtype, NaN, no contrast."""


class WindowError(ShiftVaeError, ValueError):
    """A window or stride that does not fit the frame."""


class LatticeError(ShiftVaeError, ValueError):
    """No lattice was found, or not the one that was expected."""


class PixelSizeError(ShiftVaeError, ValueError):
    """The pixel size of the frame and of the model differ by more than 3 %."""


class TrainingError(ShiftVaeError, ValueError):
    """A training that ended without a usable model."""


class ModelFileError(ShiftVaeError, ValueError):
    """A model file that is damaged, foreign, unsafe or of another version."""


class DataFileError(ShiftVaeError, OSError):
    """A microscope file that cannot be read, or a result that cannot be written."""


class ProviderError(ShiftVaeError, RuntimeError):
    """Missing onnxruntime, or one that cannot run on the requested provider."""


class WireError(ShiftVaeError, ValueError):
    """A message that does not follow the protocol."""


class ServiceError(ShiftVaeError, ConnectionError):
    """The service is absent, went away, or cannot take its port."""


class JournalError(ShiftVaeError, OSError):
    """A journal that cannot be opened, read or written; nothing acknowledged is lost by it."""


class KeyFileError(ShiftVaeError, ValueError):
    """A key file or list of clients that is damaged or readable by others, or a client that is not in the list."""
