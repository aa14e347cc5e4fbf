"""The stamp of a published directory: the recipe it was made by, and what it adds up to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tintype.errors import StampError
from tintype.manifest.schema import STAMP_NAME, Status
from tintype.recipe import Recipe

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Stamp:
    """What a published directory says of itself. A directory without one does not exist for tintype."""

    recipe: Recipe
    build_id: str
    """Names the build; no two builds share one."""
    digest: str
    """The directory's digest, over its results in any order."""
    n_rows: int
    n_inputs: int
    """Rows with an input."""
    n_files: int
    size_bytes: int
    """Size of all files but the manifest and this stamp."""
    time_published: str
    """UTC, ISO 8601."""
    tintype_version: str
    statuses: Mapping[str, int] = field(default_factory=dict)
    """Number of manifest rows of each status."""
    files_in: str | None = None
    """Folder that the manifest's paths are relative to, absolute or relative to the directory; None for itself."""

    @property
    def n_failed(self) -> int:
        """Number of inputs that failed."""
        return self.statuses.get(Status.FAILED, 0)

    def to_json(self) -> dict[str, Any]:
        """Return the stamp as plain values for a JSON file."""
        return {
            "tintype_stamp": FORMAT_VERSION,
            "tintype_version": self.tintype_version,
            "build_id": self.build_id,
            "time_published": self.time_published,
            "digest": self.digest,
            "n_rows": self.n_rows,
            "n_inputs": self.n_inputs,
            "n_files": self.n_files,
            "size_bytes": self.size_bytes,
            "statuses": dict(self.statuses),
            **({} if self.files_in is None else {"files_in": self.files_in}),
            "recipe": self.recipe.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Stamp:
        """Rebuild a stamp from what :meth:`to_json` returned; KeyError, TypeError or ValueError if it is not that."""
        return cls(
            recipe=Recipe.from_json(values["recipe"]),
            build_id=str(values["build_id"]),
            digest=str(values["digest"]),
            n_rows=int(values["n_rows"]),
            n_inputs=int(values["n_inputs"]),
            n_files=int(values["n_files"]),
            size_bytes=int(values["size_bytes"]),
            time_published=str(values["time_published"]),
            tintype_version=str(values["tintype_version"]),
            statuses={str(k): int(v) for k, v in dict(values["statuses"]).items()},
            files_in=None if values.get("files_in") is None else str(values["files_in"]),
        )


def read_stamp(folder: Path) -> Stamp | None:
    """Return the stamp of a directory, or None where there is none.

    Raises
    ------
    StampError
        When there is a stamp that is corrupt or was written by a newer tintype.
    """
    path = folder / STAMP_NAME
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            known = _known.get(str(path))
            if known is not None and known[0] == _identity(status):
                return known[1]
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StampError(f"{path} cannot be read ({error.strerror}): make it readable and run again") from error
    try:
        values = json.loads(text)
        version = int(values["tintype_stamp"])
        if version > FORMAT_VERSION:
            raise StampError(
                f"{path} has stamp format {version} and was written by tintype {values.get('tintype_version')}; "
                f"this one reads up to {FORMAT_VERSION}: upgrade tintype"
            )
        stamp = Stamp.from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, StampError):
            raise
        raise StampError(
            f"{path} is corrupt ({type(error).__name__}: {error}), so {folder} cannot be trusted: "
            "move the directory away or remove it, and run again to build it anew"
        ) from error
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[str(path)] = (_identity(status), stamp)
    return stamp


# Luigi asks again and again whether tasks are complete, and each asks for every stamp above it.
_known: dict[str, tuple[tuple[int, ...], Stamp]] = {}
_MOST_KNOWN = 4096


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a stamp from the one that stood here before: stamps are replaced, never written over."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
