"""``python -m shiftvae_training``: the same as the command `shiftvae`, for torchrun, which starts modules."""

from __future__ import annotations

import sys

from shiftvae_rt.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
