__all__ = [
    "DirectoryTargetContract",
]

from .contracts import DirectoryTargetContract
