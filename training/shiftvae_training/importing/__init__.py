"""Models of pyroVED and AtomAI become model files: ``weights -> ForeignModel -> graphs -> .svae``."""
