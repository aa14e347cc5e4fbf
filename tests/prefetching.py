"""prefetch() for tests that share their process with others, which may have left threads there."""

from __future__ import annotations

from typing import Any

from tintype import sequences


def prefetch(sequence: Any, nworkers: int | None = None, *, context: Any = None, **options: Any) -> Any:
    """Start processes by fork, as a program of one thread does by itself: functions inside a test cannot be pickled."""
    if options.get("method") == "process" and context is None:
        context = "fork"
    return sequences.prefetch(sequence, nworkers, context=context, **options)
