"""Where a stage's directory lives: filled out of sight, published by one rename, read through its manifest."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
