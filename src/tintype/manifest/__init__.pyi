__all__ = [
    "ChangedRow",
    "Condition",
    "DirectoryDigest",
    "FilteredRows",
    "Manifest",
    "ManifestDifference",
    "ManifestView",
    "ManifestSummary",
    "ManifestTotals",
    "ManifestWriter",
    "SampledRows",
    "Status",
    "compare",
]

from .conditions import Condition
from .difference import ChangedRow, ManifestDifference, ManifestTotals, compare
from .digest import DirectoryDigest
from .reader import Manifest
from .rows import FilteredRows, ManifestView, SampledRows
from .schema import Status
from .writer import ManifestSummary, ManifestWriter
