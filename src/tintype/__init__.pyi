__all__ = [
    "CustomReportingPipeline",
    "Dataset",
    "DirectoryTarget",
    "FileStage",
    "FolderDataset",
    "LoopStage",
    "Manifest",
    "Pipeline",
    "S3TarfileDataset",
    "Stage",
    "UrlListDataset",
    "accept",
    "clean",
    "create_imagenet_style_symlinks",
    "datasets",
    "download_images_as_png",
    "drop",
    "errors",
    "executors",
    "explain",
    "group_train_test_split",
    "interim",
    "load_funcs",
    "make_directory_output",
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
    "report",
    "resize_multiple_files",
    "retry",
    "sequences",
    "status",
    "targets",
    "tasks",
    "torch_dataset",
    "verify_graph",
    "write_funcs",
    "write_report",
]

from . import (
    datasets,
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
    report,
    sequences,
    targets,
    tasks,
    write_funcs,
)
from .datasets import Dataset, FolderDataset, S3TarfileDataset, UrlListDataset
from .manifest import Manifest
from .pipelines import CustomReportingPipeline, Pipeline, download_images_as_png, resize_multiple_files
from .processed import create_imagenet_style_symlinks, group_train_test_split
from .processed.torch_dataset import torch_dataset
from .rebuilding import accept, clean, explain, rebuild, repair, retry, status, verify_graph
from .records import drop, record, recorded
from .report import write_report
from .targets import DirectoryTarget
from .tasks import FileStage, LoopStage, Stage, make_directory_output
