__all__ = [
    "CustomReportingPipeline",
    "DirectoryTarget",
    "FileStage",
    "Manifest",
    "Pipeline",
    "Stage",
    "accept",
    "clean",
    "download_images_as_png",
    "drop",
    "errors",
    "executors",
    "explain",
    "interim",
    "load_funcs",
    "manifest",
    "ops",
    "path_funcs",
    "pipelines",
    "processed",
    "raw",
    "rebuild",
    "rebuilding",
    "record",
    "recorded",
    "repair",
    "resize_multiple_files",
    "retry",
    "status",
    "targets",
    "tasks",
    "verify_graph",
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
    rebuilding,
    targets,
    tasks,
    write_funcs,
)
from .manifest import Manifest
from .pipelines import CustomReportingPipeline, Pipeline, download_images_as_png, resize_multiple_files
from .rebuilding import accept, clean, explain, rebuild, repair, retry, status, verify_graph
from .records import drop, record, recorded
from .targets import DirectoryTarget
from .tasks import FileStage, Stage
