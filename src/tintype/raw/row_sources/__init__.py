"""Where the rows of a download come from: files of several formats, databases, near or far, always streamed."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
