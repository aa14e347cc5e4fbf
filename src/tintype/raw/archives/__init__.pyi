__all__ = [
    "ArchiveLimits",
    "Member",
    "read_archive",
]

from .limits import ArchiveLimits
from .members import Member
from .reading import read_archive
