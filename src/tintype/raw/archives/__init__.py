"""Archives as streams of members: tar, plain or compressed, and zip."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
