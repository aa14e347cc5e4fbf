"""The manifest: one row per result of a stage, streamed to and from Parquet, and the digest of a directory."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
