"""Folders from labels, and file names that no two files of one label share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tintype.errors import SplitError
from tintype.processed.splits.methods import hash_names
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Digits = NDArray[np.uint8]

MAX_NAME_BYTES = 255
DIGITS = (8, 16, 32, 64)
"""Hexadecimal digits of a path's hash that tell two files apart; the longer ones for those that fewer do not."""


def find_label_fault(label: str) -> str | None:
    """Return why a label cannot be the name of a folder; None when it can.

    Examples
    --------
    >>> find_label_fault("cats/black")
    "holds a '/'"
    >>> find_label_fault("black cats") is None
    True
    """
    if not label.strip():
        return "is empty"
    if label.startswith("."):
        return "begins with a '.', as hidden folders do"
    if "/" in label:
        return "holds a '/'"
    if not label.isprintable():
        return "holds characters that cannot be seen"
    if len(label.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    return None


def refuse_bad_labels(labels: Iterable[str], find_path: Callable[[str], str]) -> None:
    """Refuse labels that cannot be folders.

    Parameters
    ----------
    labels
        Each once.
    find_path
        Returns the path of a file that has a label.

    Raises
    ------
    SplitError
        Naming the first one and a file that has it.
    """
    faults = {label: fault for label in labels if (fault := find_label_fault(label))}
    for label, fault in faults.items():
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SplitError(
            f"{show_path(find_path(label))} has the label {label!r}, which {fault}{others}: a label becomes a folder, "
            "so give it another name"
        )


def name_file(inpath: str, n_digits: int) -> str:
    """Return the name of a file in its label's folder: its own, with so many digits of its path's hash.

    Examples
    --------
    >>> name_file("monday/1.png", 0), name_file("monday/1.png", 8)
    ('1.png', '1-ccdd19a7.png')
    """
    name = inpath[inpath.rfind("/") + 1 :]
    if not n_digits:
        return name
    digits = blake2b(inpath.encode("utf-8", "surrogateescape"), digest_size=n_digits // 2).hexdigest()
    dot = name.rfind(".")
    stem, extension = (name[:dot], name[dot:]) if dot > 0 else (name, "")
    room = MAX_NAME_BYTES - n_digits - 1 - len(extension) * 4
    if len(stem) * 4 > room and len(os.fsencode(name)) + n_digits + 1 > MAX_NAME_BYTES:
        room = MAX_NAME_BYTES - n_digits - 1 - len(os.fsencode(extension))
        stem = os.fsencode(stem)[: max(room, 1)].decode("utf-8", "ignore")
    return f"{stem}-{digits}{extension}"


def join_paths(parts: Sequence[str], labels: Sequence[str], inpaths: Sequence[str], digits: Sequence[int]) -> list[str]:
    """Return where files go, ``<part>/<label>/<name>``: from part, label, path and number of digits of each.

    Examples
    --------
    >>> join_paths(["train"], ["cat"], ["monday/1.png"], [0])
    ['train/cat/1.png']
    """
    rows = zip(parts, labels, inpaths, digits, strict=True)
    return [
        f"{part}/{label}/{name_file(path, n_digits) if n_digits else path[path.rfind('/') + 1 :]}"
        for part, label, path, n_digits in rows
    ]


class FileNames:
    """Collect the files of a split, then say how many digits each name needs.

    A name that is unique in its label stays as it is. Where several files have one, in whatever part, each gets digits
    of its own path's hash: so its name does not depend on the order of the files, nor on how many there are.

    Takes 17 bytes of memory a file.
    """

    def __init__(self) -> None:
        self._keys: list[NDArray[np.uint64]] = []

    def add(self, labels: Sequence[str], inpaths: Sequence[str]) -> None:
        """Collect some files."""
        self._keys.append(_hash_pairs(labels, [path[path.rfind("/") + 1 :] for path in inpaths]))

    def count_digits(self, read_files: Callable[[], Iterable[tuple[int, Sequence[str], Sequence[str]]]]) -> Digits:
        """Return the number of digits in the name of each file, uint8.

        Parameters
        ----------
        read_files
            Returns the files again: the place of the first, the labels and the paths of some at a time. Called only
            when files share a name.
        """
        keys = np.concatenate(self._keys) if self._keys else np.zeros(0, np.uint64)
        digits = np.zeros(len(keys), np.uint8)
        for n_digits in DIGITS:
            is_shared = _find_repeated(keys)
            if not is_shared.any():
                break
            digits[is_shared] = n_digits
            for start, labels, inpaths in read_files():
                shared = np.flatnonzero(is_shared[start : start + len(inpaths)]).tolist()
                names = [name_file(inpaths[place], n_digits) for place in shared]
                keys[[start + place for place in shared]] = _hash_pairs([labels[place] for place in shared], names)
        return digits


def _hash_pairs(labels: Sequence[str], names: Sequence[str]) -> NDArray[np.uint64]:
    """Return 64 bits for each label and name. Where two are equal by chance, a name has digits without need."""
    return hash_names([f"{label}/{name}" for label, name in zip(labels, names, strict=True)], seed=0)


def _find_repeated(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    order = np.argsort(keys, kind="stable")
    is_same = keys[order[1:]] == keys[order[:-1]]
    is_repeated = np.zeros(len(keys), bool)
    is_repeated[order[1:][is_same]] = True
    is_repeated[order[:-1][is_same]] = True
    return is_repeated
