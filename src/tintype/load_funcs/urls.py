"""Loading what is behind a URL, over connections that one process keeps open for all its threads."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from tintype.load_funcs.image import decode_image
from tintype.load_funcs.resized import decode_resized_image
from tintype.settings import DEFAULT_MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tintype.load_funcs.http import Fetcher, FetchPolicy
    from tintype.load_funcs.image import TargetSize
    from tintype.ops.resizing import ResizePlan

N_CONNECTIONS = 64
"""Connections to one host that are kept open."""
MAX_FETCHERS = 8
"""Policies whose connections are kept open; beyond that the oldest makes room."""


def load_image_from_url(
    url: str,
    *,
    deadline_seconds: float | None = None,
    policy: FetchPolicy | None = None,
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS,
    target_size: TargetSize | None = None,
) -> NDArray[np.uint8]:
    """Fetch an image over HTTP, and return it as :func:`load_image` returns one that is in a file.

    Tries again when that may help, as the policy says, and never takes for an image what comes with a status that is
    no success, or in part. For pipelines: any number of threads share the connections of their process.

    Parameters
    ----------
    url
        ``http://`` or ``https://``.
    deadline_seconds
        For all attempts, redirects and waits together; None leaves it to the policy, by default 120.
    policy
        How to fetch: attempts, time-outs, the largest file, headers. None is :class:`FetchPolicy`'s defaults.
    max_pixels
        Images with more pixels (rows times columns) are errors.
    target_size
        A hint that a smaller image will do, as for :func:`load_image`.

    Returns
    -------
    numpy.ndarray
        uint8, 0 to 255, of shape (rows, columns), (rows, columns, 3) or (rows, columns, 4).

    Raises
    ------
    DownloadError
        When the file cannot be fetched: HttpStatusError for a 404 and the like, DownloadTimeoutError,
        ConnectionFailedError and so on. An OSError; names the URL.
    ImageError
        When what came is no whole image; ImageTooLargeError when it has too many pixels. Names the URL. A ValueError.

    Examples
    --------
    >>> from tintype.load_funcs import load_image_from_url
    >>> load_image_from_url("photos/cat.jpg")
    Traceback (most recent call last):
        ...
    tintype.errors.DownloadError: 'photos/cat.jpg' is no http or https URL: correct the list
    """
    data = load_bytes_from_url(url, deadline_seconds=deadline_seconds, policy=policy)
    return decode_image(data, url, max_pixels=max_pixels, target_size=target_size)


def load_resized_image_from_url(
    url: str,
    plan: ResizePlan,
    *,
    deadline_seconds: float | None = None,
    policy: FetchPolicy | None = None,
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS,
    reduced_decode: bool = True,
    gray: bool = False,
) -> NDArray[np.uint8]:
    """Fetch an image over HTTP, and return it resized, as :func:`load_resized_image` does with one that is in a file.

    Takes less time than :func:`load_image_from_url` and then the plan: the file and the image at its full or reduced
    size, which nobody else sees, lie in memory that the thread uses again for the next image.

    For pipelines: ``functools.partial(load_resized_image_from_url, plan=plan)``.

    Parameters
    ----------
    url
        ``http://`` or ``https://``.
    plan
        What size, and how.
    deadline_seconds
        For all attempts, redirects and waits together; None leaves it to the policy, by default 120.
    policy
        How to fetch, as for :func:`load_image_from_url`.
    max_pixels
        Images with more pixels (rows times columns) are errors.
    reduced_decode
        Whether JPEGs may be decoded at a reduced scale, as for :func:`load_resized_image`.
    gray
        Whether to make a coloured image gray, before it is resized.

    Returns
    -------
    numpy.ndarray
        uint8, 0 to 255, C-contiguous; gray, RGB or RGBA.

    Raises
    ------
    DownloadError
        When the file cannot be fetched; names the URL. An OSError.
    ImageError
        When what came is no whole image; ImageTooLargeError when it has too many pixels. Names the URL. A ValueError.

    Examples
    --------
    >>> from tintype.load_funcs import load_resized_image_from_url
    >>> from tintype.ops import ResizePlan
    >>> load_resized_image_from_url("photos/cat.jpg", ResizePlan(max_side=224))
    Traceback (most recent call last):
        ...
    tintype.errors.DownloadError: 'photos/cat.jpg' is no http or https URL: correct the list
    """
    data = find_fetcher(policy, deadline_seconds)(url, in_scratch=True).data
    assert data is not None  # an unchanged file was not asked about
    return decode_resized_image(data, url, plan=plan, max_pixels=max_pixels, reduced_decode=reduced_decode, gray=gray)


def load_bytes_from_url(url: str, *, deadline_seconds: float | None = None, policy: FetchPolicy | None = None) -> bytes:
    """Fetch a file over HTTP, and return its bytes.

    Parameters
    ----------
    url
        ``http://`` or ``https://``.
    deadline_seconds
        For all attempts, redirects and waits together; None leaves it to the policy, by default 120.
    policy
        How to fetch, as for :func:`load_image_from_url`.

    Raises
    ------
    DownloadError
        When the file cannot be fetched; names the URL. An OSError.

    Examples
    --------
    >>> from tintype.load_funcs import load_bytes_from_url
    >>> load_bytes_from_url("ftp://example.com/cat.jpg")
    Traceback (most recent call last):
        ...
    tintype.errors.DownloadError: 'ftp://example.com/cat.jpg' is no http or https URL: correct the list
    """
    data = find_fetcher(policy, deadline_seconds)(url).data
    assert isinstance(data, bytes)  # an unchanged file was not asked about
    return data


def find_fetcher(policy: FetchPolicy | None, deadline_seconds: float | None) -> Fetcher:
    """Return this process's fetcher for a policy; made when it is first asked for, never taken over a fork."""
    from tintype.load_funcs.http import Fetcher, FetchPolicy

    policy = policy or FetchPolicy()
    if deadline_seconds is not None:
        policy = replace(policy, deadline_seconds=deadline_seconds)
    # A dict's setdefault is one step, so two threads of a process get one set of fetchers.
    fetchers = _fetchers_of_process.setdefault(os.getpid(), _Fetchers())
    with fetchers.lock:
        for fetcher in fetchers.made:  # policies may hold what cannot be hashed
            if fetcher.policy == policy:
                return fetcher
        fetcher = Fetcher(policy, n_jobs=N_CONNECTIONS)
        # One that is crowded out lives on in the threads that use it.
        fetchers.made = [*fetchers.made[-MAX_FETCHERS + 1 :], fetcher]
        return fetcher


class _Fetchers:
    """The fetchers of one process, and a lock that no fork took over while it was held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: list[Fetcher] = []


_fetchers_of_process: dict[int, _Fetchers] = {}
