__all__ = [
    "BuildResult",
    "BuiltGraph",
    "DirectoryTargetContract",
    "File",
    "StageResult",
    "build",
    "fake_files",
    "fake_images",
]

from .building import BuiltGraph, build
from .contracts import DirectoryTargetContract
from .images import fake_files, fake_images
from .results import BuildResult, StageResult
from .stand_ins import File
