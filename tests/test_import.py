"""Importing does nothing: seen from outside, in a fresh Python for each set of imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {
    "boto3",
    "cv2",
    "dask",
    "distributed",
    "jinja2",
    "matplotlib",
    "pandas",
    "psycopg",
    "pyarrow",
    "pymongo",
    "skimage",
    "sqlalchemy",
}
BARE = "import tintype"
TASKS = "import tintype.raw, tintype.interim, tintype.processed, tintype.tasks"
MAY_NOT_LOAD = {BARE: HEAVY | {"luigi", "numpy", "PIL", "rich", "urllib3"}, TASKS: HEAVY}

WATCH = """
import json, logging, os, signal, sys, threading, warnings

variables_read, writes, others = [], [], []

class WatchedEnviron(type(os.environ)):
    def __getitem__(self, key):
        variables_read.append(str(key))
        return super().__getitem__(key)

def watch(event, args):
    # Everything that leaves a trace, wherever it is: see the table of audit events in Python's documentation.
    if event == "open":
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            writes.append(str(args[0]))
    elif event in {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "tempfile.mkstemp"}:
        writes.append(event + " " + str(args[0]))
    elif event in {"os.putenv", "os.unsetenv", "os.chdir", "subprocess.Popen", "os.fork", "os.posix_spawn",
                   "socket.connect", "socket.getaddrinfo", "signal.signal"}:
        others.append(event + " " + str(args[0] if args else ""))

def start_thread(thread, start=threading.Thread.start):
    others.append(f"thread {thread.name}")  # an audit event only since Python 3.12
    start(thread)

def find_handlers():
    loggers = {"root": logging.root} | logging.root.manager.loggerDict
    return sorted(
        f"{name}: {handler!r}"
        for name, logger in loggers.items()
        for handler in getattr(logger, "handlers", [])
        if not isinstance(handler, logging.NullHandler)
    )

def look():
    return {
        "environment": repr(dict(os.environ._data)),
        "folder": os.getcwd(),
        "handlers": find_handlers(),
        "level": logging.root.level,
        "signals": [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
        "threads": len(threading.enumerate()),
        "warning filters": len(warnings.filters),
    }

os.environ.__class__ = WatchedEnviron
threading.Thread.start = start_thread
before = look()
sys.addaudithook(watch)
IMPORTS
seen = {"writes": list(writes), "others": list(others), "variables_read": list(variables_read)}
seen |= {"before": before, "after": look(), "modules": sorted({name.split(".")[0] for name in sys.modules})}
print(json.dumps(seen))
"""


def watch(imports: str, folder: Path) -> dict[str, Any]:
    """Run the imports in a fresh Python whose current folder, home and temporary folder are this one."""
    environment = {
        "PYTHONDONTWRITEBYTECODE": "1",  # compiled files are Python's own writes
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "TINTYPE_MADE_UP": "1",  # set, so that a copy of the whole environment is seen too
    }
    command = [sys.executable, "-c", WATCH.replace("IMPORTS", imports)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@pytest.fixture(scope="module", params=[BARE, TASKS])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a fresh Python saw while it ran the imports, in an empty folder and an empty home."""
    folder = tmp_path_factory.mktemp("import")
    report = watch(request.param, folder)
    assert list(folder.iterdir()) == []
    return {"imports": request.param, **report}


def test_loads_no_heavy_package(seen: dict[str, Any]) -> None:
    assert MAY_NOT_LOAD[seen["imports"]].intersection(seen["modules"]) == set()


def test_writes_no_file_and_makes_no_folder(seen: dict[str, Any]) -> None:
    assert seen["writes"] == []


def test_starts_no_thread_or_process_and_opens_no_connection(seen: dict[str, Any]) -> None:
    assert seen["others"] == []


def test_leaves_environment_folder_logging_signals_and_threads_as_they_were(seen: dict[str, Any]) -> None:
    assert seen["after"] == seen["before"]


def test_reads_no_variable_of_ours(seen: dict[str, Any]) -> None:
    assert [name for name in seen["variables_read"] if name.startswith("TINTYPE_")] == []


@pytest.mark.parametrize(
    ("imports", "key", "found"),
    [
        ("import pandas", "modules", "pandas"),
        ("open('made_up', 'w').close(); os.remove('made_up')", "writes", "made_up"),
        ("os.getenv('TINTYPE_MADE_UP')", "variables_read", "TINTYPE_MADE_UP"),
        ("dict(os.environ)", "variables_read", "TINTYPE_MADE_UP"),
        ("os.environ['MADE_UP'] = ''", "others", "os.putenv b'MADE_UP'"),
        ("threading.Thread(target=int).start()", "others", "thread Thread-1"),
        ("logging.basicConfig()", "after", "handlers"),
    ],
)
def test_the_watch_sees_what_it_is_for(imports: str, key: str, found: str, tmp_path: Path) -> None:
    report = watch(imports, tmp_path)
    if key == "after":
        assert report["after"][found] != report["before"][found]
    else:
        assert any(entry.startswith(found) for entry in report[key])
