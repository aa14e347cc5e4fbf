"""The installed versions of the distributions that a stage's code reaches."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache


def find_versions(tracked: Collection[str], packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the version of each distribution that is tracked and reached.

    Parameters
    ----------
    tracked
        Names of distributions, or of the packages that they install: ``scikit-image`` or ``skimage``.
    packages
        Top-level names of the packages that are reached.
    """
    if not tracked:
        return
    from importlib.metadata import version

    names = {_canonical(name) for name in tracked}
    found = {
        distribution
        for package in packages
        for distribution in _distributions_of().get(package, ())
        if _canonical(distribution) in names or package in tracked
    }
    for distribution in sorted(found):
        yield distribution, version(distribution)


def find_unknown(tracked: Collection[str]) -> Iterator[str]:
    """Yield the names that are no installed distribution, and no package of one."""
    if tracked:
        distributions = {_canonical(name) for names in _distributions_of().values() for name in names}
        yield from (
            name for name in tracked if name not in _distributions_of() and _canonical(name) not in distributions
        )


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=1)
def _distributions_of() -> dict[str, list[str]]:
    """Return the distributions of each top-level package; read once, it opens a file for every one installed."""
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())
