"""What became of each stage of a build, and of each of its files, with assertions about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

from tintype.manifest.reader import Manifest
from tintype.manifest.schema import Status
from tintype.rebuilding.outcomes import RebuildReport, StageOutcome
from tintype.targets.directory import DirectoryTarget
from tintype.targets.journal import Journal
from tintype.targets.siblings import staging_folder
from tintype.tasks.graph import upstream_first
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    from luigi.task import Task

_COMPUTED = (Status.WRITTEN, Status.RECORDED)
Expected = int | Sequence[str]
"""A number of files, or their paths in any order."""


@dataclass(frozen=True)
class StageResult:
    """What became of one stage.

    Paths in the lists are those of inputs, relative to the stage above, in the manifest's order; where a stage makes
    its directory as a whole they are those of its files. What a stage that was kept had done before does not count.
    """

    name: str
    family: str
    state: Literal["built", "kept", "failed", "not built"]
    """``kept``: it was up to date, or made files stand in for it. ``not built``: something above failed."""
    target: DirectoryTarget
    computed: list[str] = field(default_factory=list)
    """Inputs that were worked on with success."""
    reused: list[str] = field(default_factory=list)
    """Inputs whose results were taken over from the build before."""
    failed: list[str] = field(default_factory=list)
    """Inputs that failed, also of a stage that was not published for that."""
    dropped: list[str] = field(default_factory=list)
    errors: Mapping[str, str] = field(default_factory=dict)
    """The error of each input that failed, and the reason for each that was dropped."""
    files: list[str] = field(default_factory=list)
    """What is published now, relative to the directory."""
    error: str = ""
    """What stopped the stage."""
    reasons: tuple[str, ...] = ()
    """Why it had to be built."""

    @property
    def manifest(self) -> Manifest:
        """The manifest, as it is now; ManifestError when nothing is published."""
        return self.target.manifest()


class BuildResult(Mapping[str, StageResult]):
    """What became of each stage, by its name, what is required before what requires it.

    Parameters
    ----------
    stages
        The results.
    target
        The directory of the task that was asked for; None when it is no stage.
    """

    def __init__(self, stages: Iterable[StageResult], target: DirectoryTarget | None) -> None:
        self._stages = {stage.name: stage for stage in stages}
        self._target = target

    def __getitem__(self, name: str) -> StageResult:
        """Return what became of a stage, by the name of its directory or its family."""
        found = [stage for stage in self._stages.values() if name in (stage.name, stage.family)]
        exact = [stage for stage in found if stage.name == name]
        if len(exact or found) != 1:
            raise KeyError(f"{name!r} names {len(found)} of the stages: {', '.join(self._stages)}")
        return (exact or found)[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)

    @property
    def ok(self) -> bool:
        """Whether every stage is built or kept."""
        return all(stage.state in ("built", "kept") for stage in self._stages.values())

    @property
    def target(self) -> DirectoryTarget:
        """The directory of the task that was asked for."""
        assert self._target is not None, "the task that was built is no stage: take result[name].target"
        return self._target

    @property
    def manifest(self) -> Manifest:
        """The manifest of that directory."""
        return self.target.manifest()

    def assert_ok(self) -> None:
        """Fail unless every stage is built or kept; says what went wrong."""
        __tracebackhide__ = True
        assert self.ok, f"the build failed\n{self}"

    def assert_computed(self, n: int | None = None, **stages: Expected) -> None:
        """Fail unless these inputs were worked on with success.

        Parameters
        ----------
        n
            How many in all stages together; None to leave that open.
        **stages
            For a stage how many, or which, in any order.

        Examples
        --------
        ``result.assert_computed(Thumbnails=["cats/1.jpg"], Table=0)``
        """
        __tracebackhide__ = True
        self._assert_list("computed", n, stages)

    def assert_reused(self, n: int | None = None, **stages: Expected) -> None:
        """Fail unless the results of these inputs were taken over from the build before; see `assert_computed`."""
        __tracebackhide__ = True
        self._assert_list("reused", n, stages)

    def assert_failed(self, n: int | None = None, **stages: Expected) -> None:
        """Fail unless these inputs failed; see `assert_computed`."""
        __tracebackhide__ = True
        self._assert_list("failed", n, stages)

    def assert_dropped(self, n: int | None = None, **stages: Expected) -> None:
        """Fail unless these inputs were dropped; see `assert_computed`."""
        __tracebackhide__ = True
        self._assert_list("dropped", n, stages)

    def assert_built(self, *names: str) -> None:
        """Fail unless exactly these stages were built; all others were kept, or did not come to it."""
        __tracebackhide__ = True
        built = sorted(stage.name for stage in self._stages.values() if stage.state == "built")
        assert built == sorted(self[name].name for name in names), f"built were {built}\n{self}"

    def _assert_list(
        self, kind: Literal["computed", "reused", "failed", "dropped"], n: int | None, stages: Mapping[str, Expected]
    ) -> None:
        __tracebackhide__ = True
        for name, expected in stages.items():
            found: list[str] = getattr(self[name], kind)
            is_right = len(found) == expected if isinstance(expected, int) else sorted(found) == sorted(expected)
            assert is_right, f"{name}: {kind} were {found}, and {expected} was expected\n{self}"
        if n is not None:
            total = sum(len(getattr(stage, kind)) for stage in self._stages.values())
            assert total == n, f"{total} were {kind}, and {n} was expected\n{self}"

    def __repr__(self) -> str:
        return "\n".join(_describe(stage) for stage in self._stages.values())


def describe_stages(report: RebuildReport, root: Task) -> list[StageResult]:
    """Return what became of each stage, file by file."""
    targets = {str(stage.output().folder): stage.output() for stage in upstream_first(root) if isinstance(stage, Stage)}
    return [
        _describe_files(outcome, targets[outcome.directory])
        for outcome in report.outcomes
        if outcome.directory is not None
    ]


def _describe_files(outcome: StageOutcome, target: DirectoryTarget) -> StageResult:
    rows: list[tuple[str | None, str | None, str, str]] = []
    if outcome.state == "built":
        for row in target.manifest().rows():
            error = f"{row['error_type']}: {row['error']}" if row["error_type"] else row["error"] or ""
            rows.append((row["inpath"], row["outpath"], row["status"], error))
    elif outcome.state == "failed" and staging_folder(target.folder).is_dir():
        journals = [Journal(staging_folder(target.folder), name) for name in ("rows", "added")]
        rows.extend(
            (result.inpath, result.outpath, result.status, f"{result.error_type}: {result.error}")
            for result in chain.from_iterable(journal.results() for journal in journals)
        )
    of_inputs = [row for row in rows if row[0] is not None]
    named = [(str(inpath or outpath), status, error) for inpath, outpath, status, error in of_inputs or rows]

    def choose(*statuses: Status) -> list[str]:
        return list(dict.fromkeys(path for path, status, _ in named if status in statuses))

    return StageResult(
        name=outcome.name,
        family=outcome.family,
        state=outcome.state,
        target=target,
        computed=choose(*_COMPUTED),
        reused=choose(Status.REUSED),
        failed=choose(Status.FAILED),
        dropped=choose(Status.DROPPED),
        errors={path: error for path, status, error in named if status in (Status.FAILED, Status.DROPPED)},
        files=_files(target),
        error=outcome.error,
        reasons=tuple(reason.text for reason in outcome.reasons),
    )


def _files(target: DirectoryTarget) -> list[str]:
    if not target.exists():
        return []
    batches = target.manifest().batches(["outpath"])
    return [path for batch in batches for path in batch.column(0).drop_null().to_pylist()]


def _describe(stage: StageResult) -> str:
    counts = ", ".join(
        f"{len(paths)} {kind}"
        for kind, paths in (
            ("computed", stage.computed),
            ("reused", stage.reused),
            ("failed", stage.failed),
            ("dropped", stage.dropped),
        )
        if paths
    )
    first = next((f"{path}: {stage.errors[path]}" for path in stage.failed), "")
    said = [text for text in (counts, stage.error or first, "; ".join(stage.reasons)) if text]
    return f"{stage.name}: {stage.state}" + "".join(f", {text}" for text in said)
