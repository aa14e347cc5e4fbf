"""What is asked for of single directories in this process, whatever their recipe says: force, retry, repair."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tintype.recipe import Reason
from tintype.targets.directory import DirectoryTarget
from tintype.targets.stamp import Stamp

OrderKind = Literal["force", "retry", "repair"]


@dataclass(frozen=True)
class Order:
    """What is asked for of one directory, as it is now: once another build is published, the order is carried out."""

    kind: OrderKind
    build_id: str
    """The build that it is about."""
    error_types: frozenset[str] | None = None
    """Of a retry: which failures are tried again; None for all."""
    outpaths: frozenset[str] = frozenset()
    """Of a repair: the files that are to be made again."""

    def reason(self) -> Reason:
        """Return the order as a reason to build."""
        if self.kind == "force":
            return Reason("force", "asked for with --force")
        if self.kind == "retry":
            which = "" if self.error_types is None else f" ({', '.join(sorted(self.error_types))})"
            return Reason("retry", f"asked to try failed files again{which}")
        return Reason("repair", f"{len(self.outpaths):,} files missing or changed")


# Inherited by the worker processes that Luigi forks.
_orders: dict[str, Order] = {}


@contextmanager
def standing_order(
    target: DirectoryTarget,
    kind: OrderKind,
    *,
    error_types: Collection[str] | None = None,
    outpaths: Collection[str] = (),
) -> Iterator[None]:
    """Order something of a published directory, until the end of the block; nothing when it is not published.

    Parameters
    ----------
    target
        The directory.
    kind
        ``"force"``: build it from nothing. ``"retry"``: try its failed files again. ``"repair"``: make some again.
    error_types
        Of a retry: which failures; None for all.
    outpaths
        Of a repair: which files.
    """
    stamp = target.stamp()
    if stamp is None:
        yield
        return
    place = os.path.realpath(target.folder)
    known = None if error_types is None else frozenset(error_types)
    _orders[place] = Order(kind, stamp.build_id, known, frozenset(outpaths))
    try:
        yield
    finally:
        _orders.pop(place, None)


def find_order(target: DirectoryTarget, stamp: Stamp) -> Order | None:
    """Return what is asked for of a directory and not carried out yet."""
    if not _orders:
        return None
    order = _orders.get(os.path.realpath(target.folder))
    return order if order is not None and order.build_id == stamp.build_id else None
