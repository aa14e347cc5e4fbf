"""tintype rebuilds image (and other file) datasets: Luigi tasks, one a stage, each with a directory as its target."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
