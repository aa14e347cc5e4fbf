__all__ = [
    "Pipeline",
]

from .core import Pipeline
