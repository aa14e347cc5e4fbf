"""Datasets without writing Luigi: raw data is brought in once, processed data made from it, both are remembered."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
