"""Path functions, an input path or URL in, an output path out, that touch no disk; and the files in a folder."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from tintype.errors import SettingsError

PathOrURL = str | os.PathLike[str]

# One slash is what pathlib leaves of two. Two letters at least: C:/ is a drive.
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

IMAGE_EXTENSIONS = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""What :func:`find_image_files` looks for: a fixed list, so that it finds the same files on every computer."""


def join_outdir_filename_extension(path: PathOrURL, outdir: PathOrURL, extension: str | None = None) -> Path:
    """Return the file's name in another folder, with another extension if one is given.

    Parameters
    ----------
    path
        A path, or a URL: then the name is the last part of its path, with %20 and the like decoded, and without the
        query. URLs that differ only in the query come out as one path; :func:`join_outdir_hashed_path_extension`
        keeps them apart.
    outdir
        The folder.
    extension
        Takes the place of the last extension, ``.gz`` of ``.tar.gz``; with or without dot. None keeps it.

    Raises
    ------
    SettingsError
        When `path` does not end in a file's name, or `extension` is none. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import join_outdir_filename_extension
    >>> join_outdir_filename_extension("photos/cat.jpg", "out", ".png").as_posix()
    'out/cat.png'
    >>> join_outdir_filename_extension("https://example.com/a/cat.jpg?w=320", "out").as_posix()
    'out/cat.jpg'
    """
    return Path(outdir) / replace_extension(PurePosixPath(find_name(path)), extension)


def join_outdir_hashed_path_extension(path: PathOrURL, outdir: PathOrURL, extension: str | None = None) -> Path:
    """Return a path in another folder whose name is a hash of the whole input path, so that no two inputs meet.

    The hash is the UUID of version 5 in the DNS name space, as 32 hexadecimal digits. The same path gives the same
    name everywhere; ``./cat.jpg`` and ``cat.jpg`` count as one path, ``cat.jpg`` and its absolute path as two.

    Parameters
    ----------
    path
        A path, or a URL, of which the query counts.
    outdir
        The folder.
    extension
        With or without dot. None keeps the extension of the input.

    Raises
    ------
    SettingsError
        When `path` does not end in a file's name, or `extension` is none. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import join_outdir_hashed_path_extension
    >>> join_outdir_hashed_path_extension("photos/cat.jpg", "out", ".png").as_posix()
    'out/7e14676f0d3d50a0804b8c266a800372.png'
    """
    suffix = PurePosixPath(find_name(path)).suffix if extension is None else add_dot(extension)
    text = os.fspath(path) if is_url(path) else Path(path).as_posix()
    return Path(outdir) / f"{uuid.uuid5(uuid.NAMESPACE_DNS, text).hex}{suffix}"


def replace_dir(path: PathOrURL, outdir: PathOrURL) -> Path:
    """Return the file's name in another folder.

    Parameters
    ----------
    path
        A path or URL, as for :func:`join_outdir_filename_extension`.
    outdir
        The folder.

    Raises
    ------
    SettingsError
        When `path` does not end in a file's name. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import replace_dir
    >>> replace_dir("photos/cat.jpg", "out").as_posix()
    'out/cat.jpg'
    """
    return join_outdir_filename_extension(path, outdir)


def combine_outdir_dirname_extension(path: PathOrURL, outdir: PathOrURL, extension: str | None = None) -> Path:
    """Return the file's name in a folder that is called like its own, in another folder: labels stay with their files.

    Parameters
    ----------
    path
        A path or URL, of which the last folder and the file's name are kept. What lies directly in the root, on a
        server or in a bucket has no folder, and goes to `outdir` itself. In a URL %20 and the like are decoded, and
        the query is left out.
    outdir
        The folder.
    extension
        Takes the place of the last extension, ``.gz`` of ``.tar.gz``; with or without dot. None keeps it.

    Raises
    ------
    SettingsError
        When `path` does not end in a file's name, or its folder is ``..``, or `extension` is none. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import combine_outdir_dirname_extension
    >>> combine_outdir_dirname_extension("photos/pets/cats/1.jpg", "out", ".png").as_posix()
    'out/cats/1.png'
    >>> combine_outdir_dirname_extension("https://example.com/pets/cats/1.jpg?w=320", "out").as_posix()
    'out/cats/1.jpg'
    """
    return Path(outdir) / find_folder_name(path) / replace_extension(PurePosixPath(find_name(path)), extension)


def keep_relative_to(path: PathOrURL, folder: PathOrURL, outdir: PathOrURL, extension: str | None = None) -> Path:
    """Return the place that a file has in one folder, subfolders included, in another folder.

    Parameters
    ----------
    path
        A path below `folder`. Both are relative, or both absolute; links are not resolved.
    folder
        The folder to leave.
    outdir
        The folder to go to.
    extension
        Takes the place of the last extension; with or without dot. None keeps it.

    Raises
    ------
    SettingsError
        When `path` is not below `folder`, or `extension` is none. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import keep_relative_to
    >>> keep_relative_to("data/raw/pets/cat.jpg", "data/raw", "out", "png").as_posix()
    'out/pets/cat.png'
    """
    if not Path(path).is_relative_to(folder):
        raise SettingsError(f"{os.fspath(path)} is not below {os.fspath(folder)}: give the folder that it lies in")
    relative = Path(path).relative_to(folder)
    if ".." in relative.parts or not relative.name:
        raise SettingsError(f"{os.fspath(path)} is not a file below {os.fspath(folder)}: give a path without '..'")
    return Path(outdir) / replace_extension(relative, extension)


def find_files(folder: PathOrURL, extensions: str | Iterable[str] | None = None) -> list[Path]:
    """Return the files in a folder and its subfolders, sorted.

    Hidden files and folders, whose names begin with a dot, are left out. Links to files are found, broken ones too,
    so that they do not go missing unnoticed; links to folders are not followed.

    Parameters
    ----------
    folder
        The folder.
    extensions
        One or several, with or without dot, in either case, perhaps of several parts (``tar.gz``). None is all files.

    Returns
    -------
    list of pathlib.Path
        Sorted as paths; `folder` is their beginning. For very many files see :func:`walk_files`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When there is no such folder.
    SettingsError
        When an extension is empty. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import find_files
    >>> import skimage
    >>> [path.name for path in find_files(skimage.__path__[0] + "/data", "JPG")]
    ['hubble_deep_field.jpg', 'retina.jpg', 'rocket.jpg']
    """
    return list(walk_files(folder, extensions))


def find_image_files(folder: PathOrURL) -> list[Path]:
    """Return the image files in a folder and its subfolders, sorted, told by their extensions.

    Parameters
    ----------
    folder
        The folder.

    Returns
    -------
    list of pathlib.Path
        As :func:`find_files` with :data:`IMAGE_EXTENSIONS`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When there is no such folder.

    Examples
    --------
    >>> from tintype.path_funcs import find_image_files
    >>> import skimage
    >>> find_image_files(skimage.__path__[0] + "/data")[0].name
    'astronaut.png'
    """
    return find_files(folder, IMAGE_EXTENSIONS)


def pair_files(*folders: PathOrURL, unmatched: Literal["error", "drop"] = "error") -> list[tuple[Path, ...]]:
    """Return the files of several folders that belong together: an image and its mask.

    Files belong together whose paths, relative to their folders and without extension, are equal.

    Parameters
    ----------
    *folders
        Two or more folders.
    unmatched
        What becomes of a file that is not in every folder: an ``"error"``, or ``"drop"`` leaves it out.

    Returns
    -------
    list of tuple of pathlib.Path
        Sorted; each with one path from each folder, in their order. What a pipeline of
        :func:`tintype.pipelines.load_each` takes as `inpaths`.

    Raises
    ------
    SettingsError
        When a file lacks a partner, or two files of a folder have one name but for the extension; names them.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.path_funcs import pair_files
    >>> from tintype.write_funcs import write_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"", f"{folder}/images/cats/1.jpg")
    ...     write_bytes(b"", f"{folder}/masks/cats/1.png")
    ...     [(image, mask)] = pair_files(f"{folder}/images", f"{folder}/masks")
    >>> image.name, mask.name
    ('1.jpg', '1.png')
    """
    by_name = [_by_relative_stem(Path(folder)) for folder in folders]
    names = sorted(set().union(*by_name))
    whole = [name for name in names if all(name in files for files in by_name)]
    if unmatched == "error" and len(whole) < len(names):
        name = min(set(names) - set(whole))
        has = next(files[name] for files in by_name if name in files)
        lacks = next(folder for folder, files in zip(folders, by_name, strict=True) if name not in files)
        raise SettingsError(
            f"{has} has no partner in {os.fspath(lacks)} ({len(names) - len(whole):,} of {len(names):,} have none): "
            "add it, or leave such files out with unmatched='drop'"
        )
    return [tuple(files[name] for files in by_name) for name in whole]


def _by_relative_stem(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their relative paths without extension."""
    files: dict[str, Path] = {}
    for path in walk_files(folder):
        other = files.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if other is not path:
            raise SettingsError(f"{other} and {path} differ in their extensions alone: leave one out")
    return files


def walk_files(folder: PathOrURL, extensions: str | Iterable[str] | None = None) -> Iterator[Path]:
    """Yield the paths that :func:`find_files` returns, in the same order, without holding more than a folder of them.

    Parameters
    ----------
    folder
        The folder.
    extensions
        As for :func:`find_files`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When there is no such folder; at once, not when the first path is asked for.
    SettingsError
        When an extension is empty. A ValueError.

    Examples
    --------
    >>> from tintype.path_funcs import walk_files
    >>> import skimage
    >>> next(walk_files(skimage.__path__[0] + "/data", "jpg")).name
    'hubble_deep_field.jpg'
    """
    name = os.fspath(folder)
    if not os.path.isdir(name):
        kind = NotADirectoryError if os.path.lexists(name) else FileNotFoundError
        raise kind(f"{name} is no folder, so no files can be found in it: give the folder that holds them")
    if extensions is None:
        return walk_folder(name, ("",))
    wanted = [extensions] if isinstance(extensions, str) else extensions
    return walk_folder(name, tuple(add_dot(extension).lower() for extension in wanted))


def walk_folder(folder: str, endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield the visible files in a folder and below whose names end in one of `endings`, sorted."""
    with os.scandir(folder) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in visible:
        if entry.is_dir(follow_symlinks=False):
            yield from walk_folder(entry.path, endings)
        elif entry.name.lower().endswith(endings) and is_file_or_broken(entry):
            yield Path(entry.path)


def is_file_or_broken(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file, a link to one, or a link that leads nowhere."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()


def is_url(path: PathOrURL) -> bool:
    """Tell whether a path is a URL, also one that pathlib has taken a slash from."""
    return URL.match(os.fspath(path)) is not None


def find_name(path: PathOrURL) -> str:
    """Return the file's name at the end of a path or URL, one that cannot lead out of a folder."""
    name = take_path(path).name
    if name in {"", ".."} or "\0" in name:
        raise SettingsError(
            f"{os.fspath(path)!r} does not end in a file's name: give a path function that makes one up"
        )
    return name


def find_folder_name(path: PathOrURL) -> str:
    """Return the name of the folder that a file is in, nothing when it is in none, and never one that leads out."""
    name = take_path(path).parent.name
    if name == ".." or "\0" in name:
        raise SettingsError(f"{os.fspath(path)!r} does not say what its folder is called: give a path without '..'")
    return name


def take_path(path: PathOrURL) -> PurePath:
    """Return a path as it is, and of a URL its path, decoded."""
    text = os.fspath(path)
    if not is_url(text):
        return Path(text)
    try:
        return PurePosixPath(unquote(urlsplit(give_slash_back(text)).path))
    except ValueError as error:
        raise SettingsError(f"{text!r} is no URL ({error}): leave it out, or mend it") from error


def give_slash_back(url: str) -> str:
    """Return a URL with both slashes before its host, of which pathlib takes one."""
    scheme, _, rest = url.partition(":")
    return url if rest.startswith("//") or scheme.lower() == "file" else f"{scheme}:/{rest}"


def replace_extension(path: PurePath, extension: str | None) -> PurePath:
    """Return a path with another last extension, if one is given."""
    return path if extension is None else path.with_name(path.stem + add_dot(extension))


def add_dot(extension: str) -> str:
    """Return an extension with its dot, or say why it is none."""
    bare = extension.removeprefix(".")
    if not bare or not set(bare).isdisjoint("/\\\0"):
        raise SettingsError(f"{extension!r} is no extension: give one such as '.png'")
    return f".{bare}"
