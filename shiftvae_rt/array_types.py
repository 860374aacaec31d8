"""Names of array types that both halves use in annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Float32", "Float64"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
