"""Workers of a prefetch, and their parents, killed at any moment: every read goes on, and nothing stays behind."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.processes import Program, session_of, start, wait_until

PROGRAM = """
import gc, multiprocessing, os, select, sys, threading
import numpy as np
from tintype.errors import EvaluationError
from tintype.sequences import prefetch, smap

SIZES = [1, 10, 3_000, 40_000, 300_000]

def make(number):
    return number, np.full(SIZES[number % 5], number, np.uint32)

def is_over():
    return select.select([sys.stdin], [], [], 0)[0]

n_died = 0

def is_done(read, expected):
    "Read one item; return whether it came, or died with its worker."
    global n_died
    try:
        found, array = read()
    except EvaluationError as error:
        assert error.index == expected, (error, expected)
        n_died += 1
        # Workers that died before they had begun with anything are no fault of the item, which is still to come.
        assert "killed by SIGKILL" in str(error), error
        return "before they have computed" not in str(error)
    assert found == expected, (found, expected)
    assert len(array) == SIZES[found % 5] and (array == found).all()
    return True

def read(view):
    "Read to the end, in order and out of it."
    place = 0
    reader = iter(view)
    while place < len(view):
        far = place * 37 % len(view)
        is_done(lambda: view[far], far)
        place += is_done(lambda: next(reader), place)

def look():
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), multiprocessing.active_children()

def main():
    list(prefetch(smap(make, range(9)), 3, method="process", context="fork"))
    before = look()
    print("ready", flush=True)
    while not is_over():
        read(prefetch(smap(make, range(100)), 3, method="process", context="fork"))
    assert look() == before, (before, look())
    maps = open("/proc/self/maps").read()
    assert "tintype-prefetch" not in maps and "/dev/shm" not in maps, maps
    print("clean", n_died, flush=True)

main()
"""


def kill_workers(program: Program, n_kills: int, seed: int) -> None:
    """Kill one worker after the other, each at a moment of its own."""
    chance = random.Random(seed)
    for _ in range(n_kills):
        time.sleep(chance.random() ** 2 * 0.05)
        workers = [pid for pid in session_of(program.pid) if pid != program.pid]
        while not workers:
            assert program.status is None, program.errors
            workers = [pid for pid in session_of(program.pid) if pid != program.pid]
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)


def shared_memory() -> set[str]:
    """Return the names of what lies in shared memory and is tintype's; another program may use some just now."""
    return {name for name in os.listdir("/dev/shm") if "tintype" in name}


def check_kills_of_workers(folder: Path, n_kills: int, seed: int) -> None:
    (folder / "reads.py").write_text(PROGRAM)
    before = shared_memory()
    with start(["python", "reads.py"], folder) as program:
        program.wait_until_ready()
        kill_workers(program, n_kills, seed)
        program.go()
        assert program.wait() == 0, program.errors
        assert program.output.splitlines()[-1].startswith("clean"), program.output
        # Of few, all may have died between two items, which no reader notices.
        assert int(program.output.split()[-1]) > 0 or n_kills < 100
        wait_until(lambda: session_of(program.pid) == [], "the workers to end")
        assert program.errors == ""
    assert shared_memory() <= before


def check_kills_of_parents(folder: Path, n_kills: int, seed: int) -> None:
    (folder / "reads.py").write_text(PROGRAM)
    before = shared_memory()
    chance = random.Random(seed)
    for _ in range(n_kills):
        with start(["python", "reads.py"], folder) as program:
            program.wait_until_ready()
            time.sleep(chance.random() * 0.1)
            program.kill()
            wait_until(lambda: session_of(program.pid) == [], "the workers to end")
    assert shared_memory() <= before


def test_workers_killed_at_random_leave_nothing_behind(tmp_path: Path) -> None:
    check_kills_of_workers(tmp_path, n_kills=30, seed=1)


def test_parents_killed_at_random_leave_nothing_behind(tmp_path: Path) -> None:
    check_kills_of_parents(tmp_path, n_kills=2, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_workers_killed_at_random_leave_nothing_behind(tmp_path: Path, seed: int) -> None:
    check_kills_of_workers(tmp_path, n_kills=250, seed=seed)


@pytest.mark.slow
def test_many_parents_killed_at_random_leave_nothing_behind(tmp_path: Path) -> None:
    check_kills_of_parents(tmp_path, n_kills=40, seed=3)
