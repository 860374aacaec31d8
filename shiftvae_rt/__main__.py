"""``python -m shiftvae_rt``: the same as the command `shiftvae`."""

from __future__ import annotations

import sys

from .cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
