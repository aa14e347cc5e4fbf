__all__ = [
    "ImageStage",
    "ResizeImages",
]

from .image_stage import ImageStage
from .resize_images import ResizeImages
