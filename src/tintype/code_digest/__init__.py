"""The digest of a class's code: which functions, classes and constants of the user decide what it does."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
