"""What to do with a whole graph of stages: look at it, explain it, build it again, mend it, clear up after it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
