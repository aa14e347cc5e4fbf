"""A page that a person can look at: one folder a report, no network, whole graphs in one view."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
