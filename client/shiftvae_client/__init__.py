"""The client of `shiftvae serve` for programs that pin their own Python; see `shiftvae_client.client`."""

from .client import *  # noqa: F403  # the face, whole
from .client import __all__ as __all__
