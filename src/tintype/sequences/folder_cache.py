"""A folder of files as a mapping, for items that are to survive the program.

An item is one zip file, without compression: ``value.json`` says what it is, and each array (.npy), image (pixels) and
bytes in it is a member beside that. Zip has a checksum for each member, and other programs can open it. Nothing in it
is code: no pickle is written, and none is read.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, SupportsIndex

from tintype.errors import SettingsError
from tintype.sequences.view import to_index

if TYPE_CHECKING:
    from PIL import Image

EXTENSION = ".zip"
DESCRIPTION = "value.json"
VERSION = 1
FILES_PER_FOLDER = 1000
PLAIN = (type(None), bool, int, float, str)
"""What JSON gives back as it was."""
NO_DEFAULT: Any = object()
NUMBERED = "a FolderCache keeps values by ints"


class FolderCache(MutableMapping[int, Any]):
    """Values by number in the files of a folder.

    Several threads and processes may read and write at once: a file is there whole, or not at all. One that is damaged
    counts as not there, with a warning. Nothing is kept in memory.

    It keeps None, bool, int, float, str, bytes, NumPy arrays and scalars (not of Python objects), images of Pillow
    (their pixels and palette, not what else the file said), and lists, tuples and dicts with str keys of these.

    Parameters
    ----------
    folder
        Made when something is put there.
    name
        Of the sequence, and of the folder in `folder` that it has for itself. What makes the items other ones, such as
        another size or version of the code, belongs in the name: nobody else sees that what is there is old.

    Raises
    ------
    SettingsError
        When `name` is not the name of a file; when a value is set that cannot be kept. A ValueError.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.sequences import FolderCache, add_cache, smap
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):  # as two programs would
    ...         lengths = smap(lambda text: print("computed") or len(text), ["a", "bc"])
    ...         print(list(add_cache(lengths, cache=FolderCache(folder, "lengths-1"))))
    computed
    computed
    [1, 2]
    [1, 2]
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        if name in {"", ".", ".."} or set(name) & set("/\\\0"):
            raise SettingsError(f"name is {name!r}: give the name of a folder, such as 'thumbnails-1'")
        self._folder = os.fspath(folder)
        self._name = name
        self._path = os.path.join(self._folder, name)

    def __getitem__(self, number: int) -> Any:
        """Return a value, each time a new object."""
        path = self._find_path(number)
        try:
            with open(path, "rb") as file:
                return _read(file)
        except FileNotFoundError:
            raise KeyError(number) from None
        except Exception as error:  # what a damaged file makes of the readers of zip, JSON, arrays and images is open
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that is a seek to where it points
                raise
            warnings.warn(f"{path} is damaged and counts as not there: {error}", stacklevel=2)
            raise KeyError(number) from error

    def __setitem__(self, number: int, value: Any) -> None:
        """Write a value to a file, in one step."""
        if to_index(number, NUMBERED) < 0:
            raise SettingsError(f"number is {number}: a FolderCache keeps values by numbers of at least 0")
        content = _write(value, number)
        path = self._find_path(number)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _publish(content, path)

    def __delitem__(self, number: int) -> None:
        try:
            os.unlink(self._find_path(number))
        except FileNotFoundError:
            raise KeyError(number) from None

    def __contains__(self, number: object) -> bool:
        """Return whether there is a file, without a look inside."""
        return isinstance(number, SupportsIndex) and number.__index__() >= 0 and os.path.exists(self._find_path(number))

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of all values, in no order."""
        try:
            folders = os.listdir(self._path)
        except FileNotFoundError:
            return
        for folder in folders:
            with suppress(FileNotFoundError, NotADirectoryError):
                for name in os.listdir(os.path.join(self._path, folder)):
                    stem, extension = os.path.splitext(name)
                    if extension == EXTENSION and stem.isdecimal():
                        yield int(stem)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def pop(self, number: int, default: Any = NO_DEFAULT) -> Any:
        """Remove a value and return it; what another process removes at the same moment counts as not there."""
        # The inherited one gives no default then.
        try:
            value = self[number]
            del self[number]
        except KeyError:
            if default is NO_DEFAULT:
                raise
            return default
        return value

    def clear(self) -> None:
        """Remove all values, damaged ones too."""
        # The inherited one reads what it removes, and stops at one that is damaged.
        for number in list(self):
            with suppress(KeyError):
                del self[number]

    def __repr__(self) -> str:
        return f"FolderCache({self._folder!r}, {self._name!r})"

    def _find_path(self, number: SupportsIndex) -> str:
        number = to_index(number, NUMBERED)
        if number < 0:
            raise KeyError(number)
        return os.path.join(self._path, f"{number // FILES_PER_FOLDER:06}", f"{number:09}{EXTENSION}")


def _publish(content: memoryview, path: str) -> None:
    """Write a file that has its name only when it is whole, and leaves nothing behind when this process is killed."""
    folder = os.path.dirname(path)
    try:
        # It has no name yet. Not every file system can do that, nor every platform.
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o644)
    except (AttributeError, OSError):
        _publish_by_rename(content, path)
        return
    with open(descriptor, "wb", buffering=0) as file:
        _write_all(file, content)
        try:
            _name_file(descriptor, path)
        except FileExistsError:
            draft = os.path.join(folder, f".draft-{secrets.token_hex(8)}")
            _name_file(descriptor, draft)
            _rename(draft, path)
        except OSError:  # no /proc
            _publish_by_rename(content, path)


def _name_file(descriptor: int, path: str) -> None:
    # Without src_dir_fd, which an absolute path ignores, Python calls link(), which does not follow to the file.
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


def _rename(draft: str, path: str) -> None:
    try:
        os.replace(draft, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def _publish_by_rename(content: memoryview, path: str) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb", buffering=0) as file:
            _write_all(file, content)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def _write_all(file: io.FileIO, content: memoryview) -> None:
    while content:
        content = content[file.write(content) :]


def _write(value: Any, number: int) -> memoryview:
    """Return the bytes of the file of a value."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        members: list[bytes | memoryview] = []
        described = _describe(value, members, number)
        for place, member in enumerate(members):
            archive.writestr(_name_member(place), member)
        archive.writestr(DESCRIPTION, json.dumps({"version": VERSION, "value": described}))
    return content.getbuffer()


def _describe(value: Any, members: list[bytes | memoryview], number: int) -> Any:
    """Return a value as JSON can say it; what it cannot say becomes a member."""
    if type(value) in PLAIN:
        return {"plain": value}
    if type(value) is bytes:
        return {"bytes": _add(members, value)}
    if type(value) in {list, tuple}:
        return {type(value).__name__: [_describe(one, members, number) for one in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _describe(one, members, number) for key, one in value.items()}}
    described = _describe_array(value, members)
    if described is None:
        described = _describe_image(value, members)
    if described is None:
        raise SettingsError(
            f"a FolderCache cannot keep item {number}, which holds a {type(value).__name__}: it keeps numbers, text, "
            "bytes, arrays and images, and lists, tuples and dicts of these; use another mapping for anything else"
        )
    return described


def _describe_array(value: Any, members: list[bytes | memoryview]) -> dict[str, Any] | None:
    import numpy as np

    if not (type(value) is np.ndarray or isinstance(value, np.generic)) or value.dtype.hasobject:
        return None
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
    return {"array" if type(value) is np.ndarray else "scalar": _add(members, file.getbuffer())}


def _describe_image(value: Any, members: list[bytes | memoryview]) -> dict[str, Any] | None:
    from PIL import Image

    if not isinstance(value, Image.Image):
        return None
    described: dict[str, Any] = {"image": _add(members, value.tobytes()), "mode": value.mode, "size": list(value.size)}
    if value.palette is not None and value.mode in {"P", "PA"}:
        described["palette_mode"] = value.palette.mode
        described["palette"] = value.getpalette(value.palette.mode)
    return described


def _add(members: list[bytes | memoryview], content: bytes | memoryview) -> int:
    members.append(content)
    return len(members) - 1


def _name_member(place: int) -> str:
    return f"{place}.bin"


def _read(file: io.BufferedReader) -> Any:
    with zipfile.ZipFile(file) as archive:
        description = json.loads(_read_member(archive, DESCRIPTION))
        if not isinstance(description, dict) or description.get("version") != VERSION:
            raise ValueError("it is of another version")
        return _restore(description["value"], archive)


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} in it is compressed, which nothing here writes")
    return archive.read(name)


def _restore(described: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(described, dict) or not described:
        raise ValueError(f"it holds {described!r}")
    kind, content = next(iter(described.items()))
    match kind:
        case "plain":
            return content
        case "list":
            return [_restore(one, archive) for one in content]
        case "tuple":
            return tuple(_restore(one, archive) for one in content)
        case "dict":
            return {key: _restore(one, archive) for key, one in content.items()}
        case "bytes":
            return _read_member(archive, _name_member(content))
        case "array" | "scalar":
            return _restore_array(_read_member(archive, _name_member(content)), kind)
        case "image":
            return _restore_image(described, _read_member(archive, _name_member(content)))
    raise ValueError(f"it holds a {kind!r}")


def _restore_array(content: bytes, kind: str) -> Any:
    import numpy as np

    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array if kind == "array" else array[()]


def _restore_image(described: dict[str, Any], pixels: bytes) -> Image.Image:
    from PIL import Image

    width, height = described["size"]
    image = Image.frombytes(described["mode"], (width, height), pixels)
    if "palette" in described:
        image.putpalette(described["palette"], described["palette_mode"])
    return image
