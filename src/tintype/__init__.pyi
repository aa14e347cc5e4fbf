__all__ = [
    "DirectoryTarget",
    "FileStage",
    "Manifest",
    "Pipeline",
    "Stage",
    "drop",
    "errors",
    "executors",
    "interim",
    "load_funcs",
    "manifest",
    "ops",
    "path_funcs",
    "pipelines",
    "processed",
    "raw",
    "record",
    "recorded",
    "targets",
    "tasks",
    "write_funcs",
]

from . import (
    errors,
    executors,
    interim,
    load_funcs,
    manifest,
    ops,
    path_funcs,
    pipelines,
    processed,
    raw,
    targets,
    tasks,
    write_funcs,
)
from .manifest import Manifest
from .pipelines import Pipeline
from .records import drop, record, recorded
from .targets import DirectoryTarget
from .tasks import FileStage, Stage
