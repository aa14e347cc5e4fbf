__all__ = [
    "DirectoryDigest",
    "Manifest",
    "ManifestSummary",
    "ManifestWriter",
    "Status",
]

from .digest import DirectoryDigest
from .reader import Manifest
from .schema import Status
from .writer import ManifestSummary, ManifestWriter
