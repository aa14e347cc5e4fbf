__all__ = [
    "ArchiveStage",
    "Concatenate",
    "DownloadFiles",
    "ExtractArchive",
    "GivenFolder",
    "ImportFolder",
    "S3Folder",
    "S3Tarfile",
]

from .concatenate import Concatenate
from .download_files import DownloadFiles
from .extract_archive import ArchiveStage, ExtractArchive
from .given_folder import GivenFolder
from .import_folder import ImportFolder
from .s3_stages import S3Folder, S3Tarfile
