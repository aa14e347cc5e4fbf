__all__ = [
    "DirectoryTarget",
    "Staging",
    "Stamp",
    "Verification",
]

from .directory import DirectoryTarget
from .staging import Staging
from .stamp import Stamp
from .verification import Verification
