__all__ = [
    "Dataset",
    "DatasetReport",
    "FolderDataset",
    "PartReport",
    "S3Downloader",
    "S3TarfileDataset",
    "TarfileExtractor",
    "UrlListDataset",
]

from .dataset import Dataset
from .parts import S3Downloader, TarfileExtractor
from .ready_made import FolderDataset, S3TarfileDataset, UrlListDataset
from .reports import DatasetReport, PartReport
