__all__ = [
    "FileStage",
    "InputRow",
    "InputRows",
    "ManifestRows",
    "RecordRows",
    "Stage",
]

from .file_stage import FileStage
from .rows import InputRow, InputRows, ManifestRows, RecordRows
from .stage import Stage
