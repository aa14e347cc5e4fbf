"""Every system call that touches the disk fails in turn, or is the last one: a directory is absent, old or new, always.

The way SQLite tests itself: the n-th call of a kind fails, or kills the process, for n = 1, 2, ... until a build comes
through unhurt. Builds are forked from a process that has imported everything and built once, and strace takes hold of
them before they begin, so that every fault falls into the build itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tintype import DirectoryTarget
from tintype.recipe import Recipe
from tintype.targets import Staging

pytestmark = pytest.mark.slow

OLD, NEW = "1", "2"
NAMES = ("a.txt", "b/b.txt", "b/c.txt")

CALLS = (
    "rename", "renameat2", "mkdir", "openat", "write", "pwrite64", "fsync", "syncfs", "ftruncate",
    "link", "unlink", "unlinkat", "rmdir", "flock",
)  # fmt: skip

# What a user would write, and a process that forks one build after the other.
NURSERY = '''
import json
import logging
import os
import traceback
from concurrent.futures import Executor, Future
from functools import partial

import luigi
from luigi.util import requires

from tintype import FileStage, Pipeline, raw
from tintype.errors import TintypeError
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes


class Here(Executor):
    """Works in the thread that asks, so that the n-th call is the same one each time."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future


def sign(data, version):
    return data + version.encode()


class Words(raw.ImportFolder):
    folder = "words"


@requires(Words)
class Signed(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, partial(sign, version=self.version), write_bytes)


def build(base_dir, version, executor):
    """Return what is wrong; None when nothing is."""
    Signed.version = version
    Signed.executor = Here() if executor == "here" else executor
    words = Words(base_dir=base_dir)
    try:
        if not os.path.exists(words.output().path):
            words.run()
        Signed(base_dir=base_dir, n_jobs=1).run()
    except TintypeError as error:
        return str(error)
    except BaseException:
        return traceback.format_exc()
    return None


logging.getLogger("luigi-interface").addHandler(logging.NullHandler())  # a log line is a write, too
assert build("warm", "1", "here") is None
assert build("warm", "2", "threads") is None

while order := os.read(0, 4096):  # one line each: whoever orders waits for the end
    pid = os.fork()
    if pid == 0:
        os.read(0, 1)  # until strace has hold of this process
        error = build(*json.loads(order))
        os.writev(1, [json.dumps(error).encode() + b"\\n"])  # write() may be what fails
        os._exit(0 if error is None else 1)
    os.write(1, b"%d\\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(1, b"ended %d\\n" % os.waitstatus_to_exitcode(status))
'''


@dataclass
class Outcome:
    status: int
    """Exit status; negative where a signal ended the process."""
    error: str | None
    was_hit: bool
    """Whether the last of the faults came to be."""


class Nursery:
    """Forks builds, and lets strace spoil them."""

    def __init__(self, folder: Path, strace: str) -> None:
        self.folder = folder
        self._strace = strace
        (folder / "nursery.py").write_text(NURSERY)
        for name in NAMES:
            path = folder / "words" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} in words\n")
        self._process = subprocess.Popen(
            [sys.executable, "nursery.py"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def build(self, base_dir: Path, version: str, *, executor: str = "here", faults: tuple[str, ...] = ()) -> Outcome:
        """Build in a process of its own, into which strace injects faults."""
        self._say(json.dumps([str(base_dir), version, executor]))
        pid = self._hear()
        trace = self.folder / "trace"
        trace.write_bytes(b"")
        strace = None
        if faults:
            calls = ",".join(fault.partition(":")[0] for fault in faults)
            injections = [f"--inject={fault}" for fault in faults]
            strace = subprocess.Popen(
                [self._strace, "-f", "-o", str(trace), f"--trace={calls}", *injections, "-p", pid],
                stderr=subprocess.PIPE,
                text=True,
            )
            assert strace.stderr is not None
            said = strace.stderr.readline()
            assert "attached" in said, said
        self._say("g", end="")
        error = None
        while not (said := self._hear()).startswith("ended"):
            error = json.loads(said)
        if strace is not None:
            strace.communicate()
        status = int(said.split()[1])
        call = faults[-1].partition(":")[0] if faults else ""
        # Another thread's call may stand between the two halves of a line.
        is_hit = re.search(rf"\b{call}(\(| resumed>).*\(INJECTED\)", trace.read_text()) is not None
        return Outcome(status, error, status < 0 or is_hit)

    def _say(self, text: str, end: str = "\n") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + end)
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        return line.strip()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory, require_service: Any) -> Iterator[Nursery]:
    found = Nursery(tmp_path_factory.mktemp("nursery"), require_service("strace"))
    yield found
    found.close()


class Case:
    """One dataset, one fault: spoil a build, look, and build again."""

    def __init__(self, nursery: Nursery, scenario: Scenario, template: Path) -> None:
        self.nursery = nursery
        self.scenario = scenario
        self.base_dir = nursery.folder / "data"
        shutil.rmtree(self.base_dir, ignore_errors=True)
        shutil.copytree(template, self.base_dir)
        self.published = self.base_dir / "interim" / "Signed"
        self.target = DirectoryTarget(self.published)

    def look(self) -> str | None:
        """Return the version that a reader sees, as a whole; None when there is nothing."""
        if not self.published.exists():
            assert [path.name for path in self.base_dir.glob("interim/[!.]*")] == []
            return None
        assert [path.name for path in self.base_dir.glob("interim/[!.]*")] == ["Signed"]
        stamp = self.target.stamp()
        assert stamp is not None, "a directory without a stamp"
        assert self.target.verify(deep=True).ok
        version = stamp.recipe.version
        for name in NAMES:
            assert (self.published / name).read_text() == f"{name} in words\n{version}"
        found = {path.name for path in self.published.rglob("*")}
        assert found == {"_manifest.parquet", "_stamp.json", "b", *(name.rpartition("/")[2] for name in NAMES)}
        return version

    def finished(self) -> dict[str, int]:
        """Return when each file was finished that the journal vouches for."""
        finished: dict[str, int] = {}
        staging = self.published.with_name(".Signed.staging")
        for path in sorted(staging.glob("rows-*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    row = {k: v if isinstance(v, list) else [v] for k, v in json.loads(line).items()}
                    finished.update(zip(row["outpath"], row["time_finished"], strict=True))
        return {name: time for name, time in finished.items() if name and (staging / "files" / name).exists()}

    def recover(self) -> None:
        """Open the staging directory, as the next run does first, and let go of it."""
        begun = json.loads((self.published.with_name(".Signed.staging") / "recipe.json").read_text())
        Staging(self.published, Recipe.from_json(begun["recipe"])).close()

    def spoil(self, executor: str, *faults: str) -> Outcome:
        """Build with faults, check everything, build again and check that; return what the faults did."""
        outcome = self.nursery.build(self.base_dir, NEW, executor=executor, faults=faults)
        seen = self.look()
        if outcome.status == 0:
            assert seen == NEW
        elif outcome.status > 0:
            assert outcome.error
            assert "Traceback" not in outcome.error, outcome.error
            assert "\n" not in outcome.error, outcome.error
            assert seen in {self.scenario.before, NEW}
        elif seen is None and self.scenario.may_be_absent and list(self.published.parent.glob(".Signed.old-*")):
            self.recover()
            assert self.look() == OLD
        else:
            assert seen in {self.scenario.before, NEW}
        finished = self.finished() if seen != NEW else {}

        again = self.nursery.build(self.base_dir, NEW)

        assert again.error is None, f"the next run: {again.error}"
        assert self.look() == NEW
        assert [path.name for path in self.published.parent.glob(".*")] == []
        times = {row["outpath"]: int(row["time_finished"].timestamp() * 1e6) for row in self.target.manifest().rows()}
        for name, time in finished.items():
            assert abs(times[name] - time) <= 1, f"{name} was finished and made again"
        return outcome


@dataclass(frozen=True)
class Scenario:
    """What is built, and under which lasting conditions."""

    name: str
    before: str | None
    """The version that is there before."""
    conditions: tuple[str, ...] = ()
    """Faults that last."""
    may_be_absent: bool = False
    """Whether a kill may leave nothing for a reader, until the next run."""

    def __str__(self) -> str:
        return self.name


SCENARIOS = [
    Scenario("a first build", None),
    Scenario("a replacement", OLD),
    Scenario("a replacement without exchange", OLD, ("renameat2:error=ENOSYS",), may_be_absent=True),
]


@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO", "signal=SIGKILL"])
@pytest.mark.parametrize(
    ("scenario", "executor"), [(scenario, "here") for scenario in SCENARIOS] + [(SCENARIOS[1], "threads")], ids=str
)
def test_a_fault_at_any_call_leaves_the_old_or_the_new_and_the_next_run_mends(nursery, scenario, fault, executor):
    template = nursery.folder / f"template of {scenario}"
    if not template.exists():
        outcome = nursery.build(template, OLD)
        assert outcome.error is None
        if scenario.before is None:
            DirectoryTarget(template / "interim" / "Signed").remove()
    problems = []
    n_hits = 0
    for call in CALLS:
        if any(condition.partition(":")[0] == call for condition in scenario.conditions):
            continue
        for number in range(1, 200):
            case = Case(nursery, scenario, template)
            try:
                outcome = case.spoil(executor, *scenario.conditions, f"{call}:{fault}:when={number}")
            except AssertionError as error:
                problems.append(f"{call} {number}: {str(error)[:3000]}")
                n_hits += 1
                continue
            if not outcome.was_hit:
                assert outcome.status == 0
                break
            n_hits += 1
        else:
            problems.append(f"{call} was never called less than 200 times")
    print(f"{n_hits} faults")
    assert not problems, "\n".join(problems)
    assert n_hits > 10
