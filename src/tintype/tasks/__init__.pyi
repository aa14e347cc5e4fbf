__all__ = [
    "FileStage",
    "InputRow",
    "InputRows",
    "LoopStage",
    "ManifestRows",
    "RecordRows",
    "Stage",
    "make_directory_output",
]

from .directory_output import make_directory_output
from .file_stage import FileStage
from .loop_stage import LoopStage
from .rows import InputRow, InputRows, ManifestRows, RecordRows
from .stage import Stage
