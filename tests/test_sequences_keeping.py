"""What add_cache, FolderCache and load_buffers keep when readers, writers, processes and damage meet."""

from __future__ import annotations

import linecache
import os
import pickle
import pty
import signal
import subprocess
import sys
import threading
import warnings
import zipfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.processes import start, wait_until

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences import FolderCache, add_cache, folder_cache, load_buffers, smap, unbatch

PATIENCE_SECONDS = 60


class Calls:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any) -> Any:
        self.values.append(value)
        return value


@pytest.fixture
def calls() -> Calls:
    return Calls()


class Slow(list[str]):
    """A list whose old value takes until it is let go."""

    def __init__(self, values: list[str]) -> None:
        super().__init__(values)
        self.entered, self.let_go = threading.Event(), threading.Event()

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        if value == "old":
            self.entered.set()
            assert self.let_go.wait(PATIENCE_SECONDS)
        return value


def is_in(thread: threading.Thread, function: str) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False


@pytest.mark.parametrize("cache", [None, {}])
def test_who_reads_after_an_assignment_does_not_get_what_was_being_computed_before(cache: Any) -> None:
    values = Slow(["old"])
    view = add_cache(values, 1, cache)
    found: list[Any] = []
    with ThreadPoolExecutor(1) as executor:
        read = executor.submit(view.__getitem__, 0)
        assert values.entered.wait(PATIENCE_SECONDS)
        view[0] = "new"
        after = threading.Thread(target=lambda: found.append(view[0]))
        after.start()
        wait_until(lambda: found or is_in(after, "_compute"), "the second reader")
        values.let_go.set()
        assert read.result(PATIENCE_SECONDS) == "old"
        after.join(PATIENCE_SECONDS)
    assert found == ["new"]
    assert view[0] == "new"


def test_an_assignment_between_computing_and_keeping_is_not_undone() -> None:
    entered, let_go = threading.Event(), threading.Event()

    class SlowToPut(dict[int, Any]):
        def __setitem__(self, index: int, value: Any) -> None:
            if value == "old":
                entered.set()
                assert let_go.wait(PATIENCE_SECONDS)
            super().__setitem__(index, value)

    values = ["old"]
    view = add_cache(values, 1, SlowToPut())
    with ThreadPoolExecutor(2) as executor:
        read = executor.submit(view.__getitem__, 0)
        assert entered.wait(PATIENCE_SECONDS)
        assigned = executor.submit(view.__setitem__, 0, "new")
        wait_until(lambda: values == ["new"], "the assignment below")
        let_go.set()
        assert read.result(PATIENCE_SECONDS) == "old"
        assigned.result(PATIENCE_SECONDS)
    assert view[0] == "new"


def test_a_mapping_with_a_default_is_not_asked_for_it(calls: Calls) -> None:
    cache: dict[int, Any] = defaultdict(lambda: "default")
    view = add_cache(smap(calls, range(3)), 2, cache)
    assert [*view, view[2]] == [0, 1, 2, 2]
    assert cache == {1: 1, 2: 2}


@pytest.mark.parametrize("cache", [[], bytearray(3)])
def test_a_list_is_no_mapping(cache: Any) -> None:
    with pytest.raises(TypeError, match="give a mapping"):
        add_cache([1], 3, cache)


def test_what_is_given_up_is_not_read_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = folder_cache._read
    view = add_cache(range(10), 2, FolderCache(tmp_path, "n"))

    def count(file: Any) -> Any:
        reads.append(1)
        return read(file)

    monkeypatch.setattr(folder_cache, "_read", count)
    assert list(view) == list(range(10))
    assert reads == []


def test_a_damaged_file_is_given_up_too(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    view = add_cache(range(10), 2, cache)
    assert view[0] == 0
    (path,) = tmp_path.rglob("*.zip")
    path.write_bytes(b"?")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [view[index] for index in range(1, 5)] == [1, 2, 3, 4]
    assert sorted(cache) == [3, 4]


def test_it_can_be_cleared_though_a_file_is_damaged(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    for number in range(20):
        cache[number] = number
    for path in list(tmp_path.rglob("*.zip"))[:5]:
        path.write_bytes(b"?")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cache.clear()
    assert list(cache) == []


def damaged(content: bytes) -> Any:
    for place in range(len(content)):
        for change in (0x01, 0x80, 0xFF):
            yield f"{place}^{change}", content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
        yield f"cut {place}", content[:place]
        yield f"zeros {place}", content[:place] + bytes(len(content) - place)


@pytest.mark.parametrize("value", [7, {"a": [b"xy", np.arange(3)]}])
def test_no_damage_is_more_than_a_warning_and_none_gives_another_value(tmp_path: Path, value: Any) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[1] = value
    (path,) = tmp_path.rglob("*.zip")
    original = path.read_bytes()
    for where, content in damaged(original):
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                found = cache.get(1, "none")
            except Exception as error:
                raise AssertionError(where) from error
        if found == "none" and isinstance(found, str):
            assert [str(one.message) for one in told if "is damaged" in str(one.message)], where
        else:
            assert pickle.dumps(found) == pickle.dumps(value), where


@pytest.mark.parametrize(
    "value",
    [
        '{"list": 5}',
        '{"dict": [1]}',
        '{"bytes": [1]}',
        '{"image": 0}',
        '{"image": 0, "mode": "RGB", "size": ["a", 1]}',
        '{"image": 0, "mode": "RGB", "size": [99999999999999, 99999999]}',
        '{"image": 0, "mode": 3, "size": [1, 1]}',
        '{"list": [' * 20_000,
        '{"array": 0}',
        "7",
        '{"image": 0, "mode": "L", "size": [1, 1], "palette": 3}',
    ],
    ids=lambda value: value[:40],
)
def test_no_description_is_more_than_a_warning(tmp_path: Path, value: str) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[1] = 1
    (path,) = tmp_path.rglob("*.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.bin", b"x")
        archive.writestr("value.json", f'{{"version": 1, "value": {value}}}')
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.get(1) is None


def test_a_file_too_large_for_memory_counts_as_damaged(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[1] = np.arange(3)
    (path,) = tmp_path.rglob("*.zip")
    with zipfile.ZipFile(path) as archive:
        array = archive.read("0.bin").replace(b"(3,), }          ", b"(3000000000000,),}")[: 128 + 24]
        array = archive.read("0.bin").replace(b"'shape': (3,), }             ", b"'shape': (3000000000000,), } ")
        said = archive.read("value.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.bin", array)
        archive.writestr("value.json", said)
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.get(1) is None


def test_a_refused_read_is_an_error_and_not_damage(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[1] = 1
    (path,) = tmp_path.rglob("*.zip")
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="directory"):
        cache[1]


def test_other_files_in_the_folder_do_not_count(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[1] = 1
    (tmp_path / "n" / ".DS_Store").write_bytes(b"")
    (tmp_path / "n" / "000000" / ".draft-abc").write_bytes(b"")
    (tmp_path / "n" / "000000" / "notes.txt").write_bytes(b"")
    assert list(cache) == [1]


def test_numbers_of_numpy_are_numbers_and_others_are_not(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "n")
    cache[np.int64(5)] = 1  # type: ignore[index]
    assert (np.int64(5) in cache, cache[5]) == (True, 1)
    with pytest.raises(SettingsError, match="-1"):
        cache[-1] = 1
    assert cache.get(-1) is None
    assert -1 not in cache
    with pytest.raises(TypeError, match="by ints"):
        cache["a"] = 1  # type: ignore[index]
    assert len(cache) == 1


WRITES = """
import os, sys
from tintype.sequences import FolderCache, folder_cache
cache = FolderCache(sys.argv[1], "n")
if sys.argv[2] == "again":
    cache[1] = b"before" * 100_000
publish = folder_cache._write_all
def stop_in_the_middle(file, content):
    publish(file, content[:1000])
    print("ready", flush=True)
    sys.stdin.readline()
folder_cache._write_all = stop_in_the_middle
cache[1] = b"after" * 100_000
"""


@pytest.mark.parametrize("which", ["first", "again"])
def test_a_kill_in_the_middle_of_writing_leaves_what_was_there_and_no_draft(tmp_path: Path, which: str) -> None:
    (tmp_path / "writes.py").write_text(WRITES)
    with start(["python", "writes.py", str(tmp_path / "kept"), which], tmp_path) as program:
        program.wait_until_ready()
        program.kill()
    cache = FolderCache(tmp_path / "kept", "n")
    assert cache.get(1) == (None if which == "first" else b"before" * 100_000)
    n_files = sum(path.is_file() for path in (tmp_path / "kept").rglob("*"))
    assert n_files == (0 if which == "first" else 1)
    cache[1] = "new"
    assert cache[1] == "new"


def test_two_processes_that_write_one_item_at_once_see_it_whole(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from tintype.sequences import FolderCache
cache = FolderCache(sys.argv[1], "n")
print("ready", flush=True)
sys.stdin.readline()
for value in range(200):
    cache[1] = np.full(20_000, value)
    found = cache[1]
    assert (found == found[0]).all()
    cache.get(2); cache.pop(1, None)
    cache[1] = np.full(20_000, value)
"""
    (tmp_path / "writes.py").write_text(code.replace("found = cache[1]", "found = cache.get(1, np.zeros(1))"))
    kept = tmp_path / "kept"
    command = ["python", "-W", "error", "writes.py", str(kept)]
    with start(command, tmp_path) as one, start(command, tmp_path) as other:
        for program in (one, other):
            program.wait_until_ready()
        for program in (one, other):
            program.go()
        assert (one.wait(), one.errors, other.wait(), other.errors) == (0, "", 0, "")
    assert [path.name for path in kept.rglob("*") if path.is_file()] == ["000000001.zip"]


def test_ctrl_c_while_the_main_thread_computes_leaves_nobody_waiting(tmp_path: Path) -> None:
    code = """
import sys, threading, time
from tintype.sequences import add_cache, smap
n = []
def stay(number):
    n.append(number)
    if len(n) == 1:
        print("ready", flush=True)
        while True:
            time.sleep(60)
    return number
view = add_cache(smap(stay, range(3)), 3)
def second():
    print("second", view[1], flush=True)
entered = threading.Event()
def wait_then_read():
    while not n:
        pass
    second()
other = threading.Thread(target=wait_then_read)
other.start()
try:
    view[1]
except KeyboardInterrupt:
    other.join()
    print("again", view[1], len(n), flush=True)
"""
    (tmp_path / "reads.py").write_text(code)
    with start(["python", "reads.py"], tmp_path) as program:
        program.wait_until_ready()
        program.send(signal.SIGINT)
        assert program.wait() == 0, program.errors
        assert program.output.split()[1:] == ["second", "1", "again", "1", "2"]


def test_a_fork_can_assign_though_a_thread_of_its_parent_was_giving_something_up() -> None:
    entered, let_go = threading.Event(), threading.Event()

    class SlowToForget(dict[int, Any]):
        def _wait(self) -> None:
            if threading.current_thread() is not threading.main_thread():
                entered.set()
                assert let_go.wait(PATIENCE_SECONDS)

        def pop(self, *arguments: Any) -> Any:
            self._wait()
            return super().pop(*arguments)

        def __delitem__(self, index: int) -> None:
            self._wait()
            super().__delitem__(index)

    view = add_cache([0, 1, 2], 1, SlowToForget())
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(view.__getitem__, 0).result(PATIENCE_SECONDS) == 0
        second = executor.submit(view.__getitem__, 1)
        assert entered.wait(PATIENCE_SECONDS)
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            view[2] = 7
            os._exit(0 if view[2] == 7 else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        let_go.set()
        assert second.result(PATIENCE_SECONDS) == 1
    assert status == 0


def is_waiting(thread: threading.Thread) -> bool:
    """Return whether a thread waits for another that computes its item."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None or frame.f_code.co_name != "_compute":
        return False
    return "with pending.bell" in linecache.getline(frame.f_code.co_filename, frame.f_lineno)


@pytest.mark.parametrize("arguments", [{"cache_size": 0}, {"cache_size": 3}, {"max_bytes": 1}, {"has_mapping": True}])
@pytest.mark.parametrize("iterates", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_all_who_wait_get_what_was_computed_once(
    arguments: dict[str, Any], iterates: bool, fails: bool, calls: Calls
) -> None:
    entered, let_go = threading.Event(), threading.Event()

    def stay(number: int) -> object:
        calls(number)
        entered.set()
        assert let_go.wait(PATIENCE_SECONDS)
        if fails:
            raise OSError("gone")
        return object()

    bounds = {name: bound for name, bound in arguments.items() if name != "has_mapping"}
    view = add_cache(smap(stay, range(3)), cache={} if "has_mapping" in arguments else None, **bounds)
    found: list[Any] = []

    def read() -> None:
        try:
            found.append(next(iter(view[1:])) if iterates else view[1])
        except EvaluationError as error:
            found.append(error.__cause__)

    threads = [threading.Thread(target=read) for _ in range(8)]
    threads[0].start()
    assert entered.wait(PATIENCE_SECONDS)
    for thread in threads[1:]:
        thread.start()
    try:
        wait_until(lambda: all(map(is_waiting, threads[1:])), "seven who wait")
    finally:
        let_go.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert (len(found), len(set(map(id, found))), calls.values) == (8, 1, [1])
    assert isinstance(found[0], OSError) is fails
    if fails:
        with pytest.raises(EvaluationError, match="item 1 failed"):
            view[1]
        assert calls.values == [1, 1]


def test_several_iterations_at_once_compute_each_item_once(calls: Calls) -> None:
    ready = threading.Barrier(4)
    view = add_cache(unbatch(smap(lambda n: (2 * n, 2 * n + 1), range(50)), 2), 100)
    counted = add_cache(smap(calls, view), 1000)

    def read(_: int) -> list[int]:
        ready.wait(PATIENCE_SECONDS)
        return list(counted)

    with ThreadPoolExecutor(4) as executor:
        for items in executor.map(read, range(4)):
            assert items == list(range(100))
    assert sorted(calls.values) == list(range(100))


def test_an_error_in_the_middle_of_an_iteration_names_the_item_and_the_rest_can_be_read(calls: Calls) -> None:
    view = add_cache(smap(lambda n: 1 // (3 - n), range(6)), 6)
    items = iter(view)
    assert [next(items) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(EvaluationError, match="item 3 failed"):
        next(items)
    assert list(view[4:]) == [-1, -1]
    with pytest.raises(EvaluationError, match="item 1 failed"):
        list(view[2:])


def test_a_kept_none_is_kept() -> None:
    n_calls: list[int] = []
    view = add_cache(smap(n_calls.append, range(3)), 3)
    assert [*view, *view] == [None] * 6
    assert n_calls == [0, 1, 2]


def test_the_bound_in_bytes_holds_at_every_moment_for_threads() -> None:
    view: Any = add_cache(smap(lambda n: np.zeros(100 + n, np.uint8), range(60)), max_bytes=1500)
    with ThreadPoolExecutor(4) as executor:
        for order in (range(60), range(59, -1, -1), range(0, 60, 7)):
            list(executor.map(view.__getitem__, order))
    kept = sum(value.nbytes for value, _ in view._kept.values())
    assert kept == view._n_bytes <= 1500


@pytest.mark.parametrize("shape", [[2, 3], (np.int64(2), np.int64(3))])
def test_a_shape_may_be_any_sequence_of_numbers(shape: Any) -> None:
    view = load_buffers(range(20), fill=lambda n, array: array.fill(n), shape=shape, dtype="u1")
    assert len({array.__array_interface__["data"][0] for array in view}) == 2


def test_threads_that_hold_their_arrays_at_once_hold_different_ones() -> None:
    barrier = threading.Barrier(4)

    def fill(number: int, array: Any) -> None:
        barrier.wait(PATIENCE_SECONDS)
        array.fill(number)
        barrier.wait(PATIENCE_SECONDS)

    view = load_buffers(range(40), 2, fill=fill, shape=(100,), dtype="u1")

    def read(first: int) -> bool:
        return all((view[index] == index).all() for index in range(first, 40, 4))

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(read, range(4)))


def test_images_and_tensors_made_of_an_array_hold_it() -> None:
    from PIL import Image

    view = load_buffers(range(8), 2, fill=lambda n, array: array.fill(n), shape=(64, 64), dtype="u1")
    images = [Image.fromarray(view[index]) for index in range(8)]
    assert [image.getpixel((5, 5)) for image in images] == list(range(8))
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(view[index]) for index in range(8)]
    assert [int(tensor[5, 5]) for tensor in tensors] == list(range(8))


def test_an_array_that_could_not_be_filled_is_no_loss() -> None:
    def fill(number: int, array: Any) -> None:
        if number == 1:
            raise OSError("gone")
        array.fill(number)

    view = load_buffers(range(3), 1, fill=fill, shape=(2,), dtype="u1")
    assert view[0].tolist() == [0, 0]
    with pytest.raises(OSError, match="gone"):
        view[1]
    assert view[2].tolist() == [2, 2]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this platform makes no files without a name")
def test_no_file_has_a_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FolderCache(tmp_path, "n")
    write = folder_cache._write_all
    seen: list[int] = []

    def look(file: Any, content: Any) -> None:
        write(file, content)
        seen.append(sum(path.is_file() for path in tmp_path.rglob("*")))

    monkeypatch.setattr(folder_cache, "_write_all", look)
    for value in range(3):
        cache[1] = value
        assert cache[1] == value
    assert seen == [0, 1, 1]  # each is written once, and drafts have no name


TERMINAL = """
import sys, threading, time
from tintype.sequences import debug, progress, watching
watching.FIRST_SECONDS = watching.INTERVAL_SECONDS = 0.0
real = sys.stderr, sys.stdout
for a, b in zip(progress(range(5), "first"), progress(range(7), "second")):
    pass
for a in progress(range(3), "outer"):
    for b in progress(range(2), "inner"):
        print("printed", a, b)
assert (sys.stderr, sys.stdout) == real
thread = threading.Thread(target=lambda: list(progress(range(3), "thread")))
thread.start(); thread.join()
try:
    for a in progress(range(9), "left"):
        if a == 4:
            raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
import gc; del a; gc.collect()
assert (sys.stderr, sys.stdout) == real
print("done")
"""


def test_a_terminal_shows_bars_of_the_main_thread_and_gets_its_streams_back(tmp_path: Path) -> None:
    (tmp_path / "bars.py").write_text(TERMINAL)
    ours, theirs = pty.openpty()
    program = subprocess.Popen([sys.executable, "bars.py"], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert program.wait(PATIENCE_SECONDS) == 0, said.decode()
    text = said.decode()
    assert text.rstrip().endswith("done")
    assert "thread" not in text
    for label in ("first", "second", "outer", "inner", "left"):
        assert label in text
    assert "4/9" in text


def test_the_limit_of_calls_holds_for_threads() -> None:
    from tintype.sequences import debug

    seen: list[int] = []
    ready = threading.Barrier(4)
    view = debug(range(400), lambda index, _: seen.append(index), max_calls=50)

    def read(first: int) -> None:
        ready.wait(PATIENCE_SECONDS)
        for index in range(first, 400, 4):
            view[index]

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(read, range(4)))
    assert len(seen) == len(set(seen)) == 50
