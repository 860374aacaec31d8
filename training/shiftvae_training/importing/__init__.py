"""Models of pyroVED and AtomAI become model files: ``weights -> ForeignModel -> graphs -> .svae``."""

from .cli import add_import

__all__ = ["add_import"]
