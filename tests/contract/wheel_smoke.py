"""What a fresh wheel is asked on every system that it is built for: its core against NumPy, no network, no torch.

python tests/contract/wheel_smoke.py
"""

from __future__ import annotations

import numpy as np

from shiftvae_rt import extract_windows, window_statistics
from shiftvae_rt.simulator import Microscope

SIDE, STRIDE = 16, 4


def main() -> None:
    frame = Microscope(shape=(64, 80)).frame(0).pixels
    cut = np.lib.stride_tricks.sliding_window_view(frame, (SIDE, SIDE))[::STRIDE, ::STRIDE]
    windows = extract_windows(frame[None], (SIDE, SIDE), STRIDE)
    assert np.array_equal(windows.reshape(cut.shape), cut), "windows differ from NumPy's"
    mean, deviation = window_statistics(frame[None], (SIDE, SIDE), STRIDE)
    assert np.allclose(mean.reshape(cut.shape[:2]), cut.mean((2, 3)), rtol=1e-5), "means differ from NumPy's"
    assert np.allclose(deviation.reshape(cut.shape[:2]), cut.std((2, 3)), rtol=1e-4), "deviations differ from NumPy's"
    print(f"{len(cut) * cut.shape[1]} windows as NumPy has them")


if __name__ == "__main__":
    main()
