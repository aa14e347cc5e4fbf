__all__ = [
    "open_row_source",
    "RowSource",
]

from .base import RowSource
from .choose import open_row_source
