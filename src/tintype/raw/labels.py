"""Labels from the names of folders."""

from __future__ import annotations


def label_of_folder(inpath: str) -> str | None:
    """Return the name of the folder that a file lies in; None at the top.

    Examples
    --------
    >>> label_of_folder("pets/cats/1.jpg")
    'cats'
    """
    folder = inpath.rpartition("/")[0]
    return folder.rpartition("/")[2] or None
