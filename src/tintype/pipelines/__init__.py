"""What happens to one file, load, ops and write, and running it over many."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
