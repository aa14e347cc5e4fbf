"""Contracts and fixtures for tests: of tintype itself, and of what others build on it. The library never imports it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
