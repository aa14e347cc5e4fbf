"""Writing, copying and linking files: parents are made, failures leave nothing, the digest is reported.

Each function replaces what has the name already, and never writes through it: when that is a link, the file that it
leads to keeps its bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tintype.records import report_written

FilePath = str | os.PathLike[str]

Made = TypeVar("Made")

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
CHUNK_BYTES = 2**20
NO_HARD_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""What a file system says that cannot make this hard link: across two of them, not at all, or one link too many."""


def write_bytes(data: bytes | bytearray | memoryview, path: FilePath) -> None:
    """Write bytes to a file.

    Parameters
    ----------
    data
        The whole contents. Not modified.
    path
        Where to write. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    OSError
        When the disk refuses: it is full or read-only. Nothing is left at `path` then.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.load_funcs import load_bytes
    >>> from tintype.write_funcs import write_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"hello", f"{folder}/new/greeting.txt")
    ...     load_bytes(f"{folder}/new/greeting.txt")
    b'hello'
    """
    name = os.fspath(path)
    view = memoryview(data).cast("B")
    with new_file(name) as descriptor:
        write_all(descriptor, view, name)
    report_written(name, hashlib.sha256(view).hexdigest(), len(view))


def copy_file(source: FilePath, path: FilePath) -> None:
    """Copy a file, with its time of last change, and without its permissions.

    The digest is that of the bytes that were copied, also when another process writes to the source meanwhile.

    Parameters
    ----------
    source
        The file to read; a link is followed. Not modified.
    path
        Where to write. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    OSError
        When the source cannot be read (FileNotFoundError when it is not there) or the disk refuses. Nothing is left at
        `path` then. shutil.SameFileError when `path` is the source itself.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.load_funcs import load_bytes
    >>> from tintype.write_funcs import copy_file, write_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"hello", f"{folder}/greeting.txt")
    ...     copy_file(f"{folder}/greeting.txt", f"{folder}/new/greeting.txt")
    ...     load_bytes(f"{folder}/new/greeting.txt")
    b'hello'
    """
    name = os.fspath(path)
    digest, size_bytes = hashlib.sha256(), 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with open(source, "rb", buffering=0) as file:
        refuse_itself(source, name)
        with new_file(name) as descriptor:
            while n_bytes := file.readinto(buffer):
                digest.update(buffer[:n_bytes])
                write_all(descriptor, buffer[:n_bytes], name)
                size_bytes += n_bytes
            status = os.fstat(file.fileno())
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
    report_written(name, digest.hexdigest(), size_bytes)


def link_file(source: FilePath, path: FilePath) -> None:
    """Give a file a second name on the same file system: a hard link, which costs no space.

    The two names are one file: who writes into it under one name changes the other. The functions in this module
    never do.

    Parameters
    ----------
    source
        The file; a symbolic link is followed. Not modified.
    path
        The new name. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    OSError
        When the source cannot be read (FileNotFoundError when it is not there), or cannot be linked: `path` is on
        another file system, or on one without hard links; then copy. shutil.SameFileError when `path` is the
        source itself.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.write_funcs import link_file, write_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"hello", f"{folder}/greeting.txt")
    ...     link_file(f"{folder}/greeting.txt", f"{folder}/new/greeting.txt")
    ...     os.path.samefile(f"{folder}/greeting.txt", f"{folder}/new/greeting.txt")
    True
    """
    name = os.fspath(path)
    digest, size_bytes = hash_file(source)
    refuse_itself(source, name)
    try:
        make_in_place(name, lambda: os.link(os.path.realpath(source), name))
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        sentence = f"{error.strerror}: no hard link can be made here, so use copy_file or symlink_file instead"
        raise OSError(error.errno, sentence, os.fspath(source), None, name) from error
    report_written(name, digest, size_bytes)


def reuse_file(source: FilePath, path: FilePath, *, digest: str, size_bytes: int, is_reused: bool = True) -> None:
    """Take over a file whose digest is known: a hard link, or a copy where none can be made. Reads nothing to link.

    Parameters
    ----------
    source
        The file, of an earlier build or another stage. Not modified.
    path
        Where it goes. Missing parent folders are made; a file or link that has the name is replaced.
    digest
        Its sha256, in hex, as a manifest says.
    size_bytes
        Its size in bytes.
    is_reused
        Whether the row's status is ``reused``: the file is one of the last build of the same directory.

    Raises
    ------
    OSError
        When the source is not there (FileNotFoundError), or the disk refuses.
    """
    name = os.fspath(path)
    refuse_itself(source, name)
    try:
        make_in_place(name, lambda: os.link(source, name, follow_symlinks=False))
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        copy_file(source, path)
    report_written(name, digest, size_bytes, is_reused=is_reused)


def symlink_file(source: FilePath, path: FilePath) -> None:
    """Make a symbolic link to a file, by its absolute path.

    Parameters
    ----------
    source
        The file. Not modified. The link breaks when it is moved or deleted.
    path
        Where the link goes. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    OSError
        When the source cannot be read (FileNotFoundError when it is not there) or the disk refuses.
        shutil.SameFileError when `path` is the source itself.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.write_funcs import symlink_file, write_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"hello", f"{folder}/greeting.txt")
    ...     symlink_file(f"{folder}/greeting.txt", f"{folder}/new/greeting.txt")
    ...     os.readlink(f"{folder}/new/greeting.txt") == f"{folder}/greeting.txt"
    True
    """
    name = os.fspath(path)
    digest, size_bytes = hash_file(source)
    refuse_itself(source, name)
    target = Path(source).absolute()  # os.path.abspath would drop "..", which is wrong behind a linked folder
    make_in_place(name, lambda: os.symlink(target, name))
    report_written(name, digest, size_bytes)


@contextmanager
def new_file(name: str) -> Iterator[int]:
    """Give the descriptor of a new file, closed in the end; on any error the file is gone again."""
    descriptor = make_in_place(name, lambda: os.open(name, NEW_FILE, 0o666))
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # may be the moment when a network file system says that it is full
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def make_in_place(name: str, make: Callable[[], Made]) -> Made:
    """Call `make`, and only if that fails clear its way: make the parent folders, remove what has the name."""
    for _ in range(2):
        try:
            return make()
        except FileNotFoundError:
            os.makedirs(os.path.dirname(name) or os.curdir, exist_ok=True)
        except FileExistsError:
            remove_old(name)
    return make()


def remove_old(name: str) -> None:
    """Remove the file or link that has a name, and refuse to remove anything else."""
    with suppress(FileNotFoundError):
        mode = os.lstat(name).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise FileExistsError(errno.EEXIST, "a folder or device has this name, and only files are replaced", name)
        os.unlink(name)


def refuse_itself(source: FilePath, name: str) -> None:
    """Refuse a path that names the source: to make room for the copy would be to lose the original."""
    if os.path.lexists(name) and locate(name) in {locate(source), os.path.realpath(source)}:
        raise shutil.SameFileError(
            f"{os.fspath(source)} cannot become {name}, which is the same file: give another path"
        )


def locate(path: FilePath) -> str:
    """Return a path with all links resolved but the last."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def write_all(descriptor: int, data: memoryview, name: str) -> None:
    """Write all of `data`: the system may take less at a time. An error names the file."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


def hash_file(path: FilePath) -> tuple[str, int]:
    """Return the sha256, in hex, and the size in bytes of a file."""
    with open(path, "rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
