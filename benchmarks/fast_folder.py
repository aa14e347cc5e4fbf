"""A folder for what cases write, in memory where there is room."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 10**9
"""What must be free there."""


@contextmanager
def open_fast_folder(otherwise: Path) -> Iterator[Path]:
    """Give a folder in memory, else in `otherwise`: ext4 makes new files slowly for minutes after many were removed."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="tintype-bench-") as folder:
            yield Path(folder)
    else:
        with tempfile.TemporaryDirectory(dir=otherwise) as folder:
            yield Path(folder)
