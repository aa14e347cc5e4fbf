__all__ = [
    "DirectoryTarget",
    "Staging",
    "Stamp",
    "Verification",
]

from .directory import DirectoryTarget, Verification
from .staging import Staging
from .stamp import Stamp
