"""What every case of image work does: read its arguments, measure the work, look at what was written.

Imports nothing but the standard library, so that the peers' cases can use it in their own environments.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from usage import report, spending

Run = Callable[[list[str], Path], object]
"""Writes a smaller image of each path into a folder, under its own name."""

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of JPEG's frame headers: baseline, extended, progressive."""
_CHROMA_420 = (0x22, 0x11, 0x11)


@dataclass(frozen=True)
class ImageWork:
    """The arguments of a case: KIND SOURCE FOLDER 224x224 N_FILES N_JOBS."""

    kind: str
    source: Path
    """A folder of images, or a list of URLs with a first line ``url``."""
    folder: Path
    """For what is written; removed in the end."""
    size: tuple[int, int]
    """(width, height) of what is written, in pixels."""
    n_files: int
    """How many files of `source` are worked on, from the first on."""
    n_jobs: int

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ImageWork:
        kind, source, folder, size, n_files, n_jobs = arguments
        width, height = map(int, size.split("x"))
        return cls(kind, Path(source), Path(folder), (width, height), int(n_files), int(n_jobs))

    @property
    def paths(self) -> list[str]:
        if self.source.is_file():
            return self.source.read_text(encoding="utf-8").splitlines()[1 : 1 + self.n_files]
        return sorted(entry.path for entry in os.scandir(self.source))[: self.n_files]

    @property
    def extension(self) -> str:
        """``.jpg`` or ``.png``: of what is read, and of what is written."""
        return os.path.splitext(self.paths[0])[1]

    @property
    def scale(self) -> int:
        """The most that a decoder may reduce by, 1, 2, 4 or 8, so that what it gives still covers the size."""
        path = self.paths[0]
        if self.source.is_file():
            with urlopen(path) as answer:
                width, height = read_size(answer.read())
        else:
            width, height = read_size(Path(path).read_bytes())
        return max(scale for scale in (1, 2, 4, 8) if width / scale >= self.size[0] and height / scale >= self.size[1])


def measure_images(work: ImageWork, run: Run, *, prepare: Run | None = None) -> None:
    """Print what the work spends an image.

    It is done on one image before, so that what is imported or made late is there when the clock starts. `prepare` is
    called before `run` and like it, off the clock.
    """
    paths = work.paths
    assert len(paths) == work.n_files, f"{work.source} holds {len(paths)} files"
    shutil.rmtree(work.folder, ignore_errors=True)
    first, whole = work.folder / "first", work.folder / "whole"
    for folder in (first, whole):
        folder.mkdir(parents=True)
    if prepare is not None:
        prepare(paths[:1], first)
        prepare(paths, whole)
    run(paths[:1], first)
    with spending(len(paths)) as figures:
        run(paths, whole)
    report(**figures, mean_bytes=check_images(whole, work.n_files, work.size))
    shutil.rmtree(work.folder)


def check_images(folder: Path, n_files: int, size: tuple[int, int]) -> float:
    """Look at whether a folder holds so many images, and some of them are of that size; return their mean bytes."""
    images = sorted(path for path in folder.rglob("*") if path.suffix in {".jpg", ".png"})
    assert len(images) == n_files, f"{len(images)} images were written, not {n_files}"
    for image in (images[0], images[n_files // 2], images[-1]):
        found = read_size(image.read_bytes())
        assert found == size, f"{image.name} is of {found} pixels, not {size}"
    return sum(image.stat().st_size for image in images) / n_files


def read_size(data: bytes) -> tuple[int, int]:
    """Return the (width, height) in an image's header; JPEGs must have 4:2:0 chroma."""
    if data.startswith(_PNG):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    place = 2
    while data[place + 1] not in _FRAMES:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    height, width = struct.unpack(">HH", data[place + 5 : place + 9])
    sampling = tuple(data[place + 11 : place + 18 : 3])
    assert sampling == _CHROMA_420, f"a JPEG has the chroma sampling {sampling}"
    return width, height
