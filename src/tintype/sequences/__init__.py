"""Lazy sequences: list-like views of data that compute an item when it is asked for, and no other."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
