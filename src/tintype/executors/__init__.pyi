__all__ = [
    "BlockRun",
    "open_executor",
]

from .blocks import BlockRun
from .pools import open_executor
