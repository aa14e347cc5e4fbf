__all__ = [
    "DescribeImages",
]

from .describe_images import DescribeImages
