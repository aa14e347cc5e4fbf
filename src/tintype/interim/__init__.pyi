__all__ = [
    "ConvertImages",
    "DropDuplicates",
    "FilterImages",
    "ImageStage",
    "RemoveFaces",
    "ResizeImages",
    "TrimBackgrounds",
]

from .convert_images import ConvertImages
from .drop_duplicates import DropDuplicates
from .filter_images import FilterImages
from .image_stage import ImageStage
from .remove_faces import RemoveFaces
from .resize_images import ResizeImages
from .trim_backgrounds import TrimBackgrounds
