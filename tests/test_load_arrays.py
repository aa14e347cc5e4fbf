"""Behaviour of DirectoryTarget.load_arrays(): the files of a published directory in one array."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import DirectoryTarget, interim, raw
from tintype.errors import EvaluationError, ImageError, ManifestError, SettingsError
from tintype.load_funcs import load_array, load_bytes, load_image
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Squares(interim.ResizeImages):
    shape = (16, 16)
    image_format = "jpeg"


@requires(Photos)
class Kept(interim.ImageStage):
    """Drops the images that are brighter than 200."""

    image_format = "png"

    def process(self, image):
        return None if image.mean() > 200 else image


def build(cls: type, folder: Path, **parameters: Any) -> DirectoryTarget:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    target: DirectoryTarget = task.output()
    return target


def write_images(folder: Path, numbers: Any, shape: tuple[int, ...] = (4, 6, 3)) -> Path:
    """Write images whose pixels are all their number, in folders that are their labels: odd and even."""
    for number in numbers:
        (folder / ("odd" if number % 2 else "even")).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(shape, number, np.uint8)).save(
            folder / ("odd" if number % 2 else "even") / f"{number:03d}.png"
        )
    return folder


@pytest.fixture
def numbers(tmp_path):
    """Return a target of images of the even numbers below 200, then the odd ones; those above 200 are dropped."""
    return build(Kept, write_images(tmp_path / "source", range(0, 256, 3)))


NUMBERS = [*range(0, 201, 6), *range(3, 201, 6)]


@pytest.mark.parametrize("n_jobs", [None, 1, 8])
def test_the_files_are_in_the_manifest_s_order(numbers, n_jobs):
    array = numbers.load_arrays((4, 6, 3), n_jobs=n_jobs)
    assert array.dtype == np.uint8
    assert array.shape == (len(NUMBERS), 4, 6, 3)
    np.testing.assert_array_equal(array, np.broadcast_to(np.array(NUMBERS)[:, None, None, None], array.shape))


def test_real_photographs_are_what_load_image_returns(photographs, tmp_path):
    shutil.copytree(photographs, tmp_path / "source")
    target = build(Squares, tmp_path / "source")
    array, rows = target.load_arrays(columns=["label"])
    assert array.shape == (8, 16, 16, 3)
    np.testing.assert_array_equal(array, [load_image(path) for path in target.files()])
    assert list(rows["label"]) == ["cats", "people", "people", "space", "space", "things", "things", "things"]


def test_the_shape_and_dtype_are_those_of_what_is_loaded_where_none_are_given(numbers):
    assert numbers.load_arrays().shape == (len(NUMBERS), 4, 6, 3)
    sizes = numbers.load_arrays(load_func=lambda path: path.stat().st_size, dtype="int64")
    assert sizes.tolist() == [path.stat().st_size for path in numbers.files()]


def test_files_and_their_rows_are_chosen_together(numbers):
    array, rows = numbers.load_arrays(where="label == 'odd' and inpath > 'odd/1'", columns=True)
    expected = [number for number in NUMBERS if number % 2 and number >= 100]
    assert array[:, 0, 0, 0].tolist() == expected
    assert list(rows["inpath"]) == [f"odd/{number}.png" for number in expected]
    assert list(rows.columns) == numbers.manifest().schema.names
    sample = numbers.manifest().sample(9, seed=4)
    array, rows = numbers.load_arrays(where=sample, columns=["inpath"])
    assert [f"{number:03d}" for number in array[:, 0, 0, 0]] == [Path(name).stem for name in rows["inpath"]]
    assert len(array) == sum(row["outpath"] is not None for row in sample)


@pytest.mark.parametrize("shape", [None, (16, 16, 3)])
def test_a_function_is_told_of_each_file_that_is_loaded(photographs, tmp_path, shape):
    source = Path(shutil.copytree(photographs, tmp_path / "source"))
    target = build(Squares, source)
    told: list[int] = []
    array = target.load_arrays(shape, progress=told.append)
    assert sum(told) == len(array) == 8


@pytest.mark.parametrize("out", [None, "all.npy", "array"])
def test_no_file_gives_an_array_of_none(numbers, tmp_path, out):
    out = tmp_path / out if out == "all.npy" else np.empty((0, 4, 6, 3), np.uint8) if out == "array" else None
    array, rows = numbers.load_arrays((4, 6, 3), where="label == 'cat'", columns=True, out=out)
    assert (array.shape, array.dtype, len(rows)) == ((0, 4, 6, 3), np.uint8, 0)
    with pytest.raises(SettingsError, match="have no shape to take: give shape="):
        numbers.load_arrays(where="label == 'cat'")


def test_one_file_is_an_array_of_one(numbers):
    assert numbers.load_arrays(where="inpath == 'odd/003.png'")[:, 0, 0].tolist() == [[3, 3, 3]]


def test_the_first_file_is_loaded_once(numbers):
    loaded = []

    def load(path):
        loaded.append(path)
        return load_image(path)

    numbers.load_arrays(load_func=load)
    assert sorted(loaded) == sorted(numbers.files())


def test_no_more_threads_work_than_are_asked_for(numbers):
    barrier, threads = threading.Barrier(3), set()

    def load(path):
        threads.add(threading.get_ident())
        if len(threads) <= 3 and not barrier.broken:
            try:
                barrier.wait(60 if len(threads) < 3 else 0.01)
            except threading.BrokenBarrierError:
                pass
        return load_image(path)

    numbers.load_arrays((4, 6, 3), load_func=load, n_jobs=3)
    assert len(threads) == 3


# Errors


def test_a_file_of_another_shape_is_named_with_its_shape_and_the_cure(tmp_path):
    source = write_images(write_images(tmp_path / "source", [1, 3]), [5], shape=(7, 6, 3))
    target = build(Kept, source)
    with pytest.raises(
        EvaluationError,
        match=r"item 2 failed in load_image for '.*odd/005\.png' .*: it has shape \(7, 6, 3\), and the array is made "
        r"for \(4, 6, 3\): make the files alike first \(interim\.ResizeImages\), or give a load_func that does",
    ):
        target.load_arrays()


def test_a_file_that_cannot_be_loaded_is_named_with_its_cause(numbers):
    path = list(numbers.files())[7]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(EvaluationError, match=rf"item 7 failed in load_image for '{path}' .*ImageError") as caught:
        numbers.load_arrays()
    assert isinstance(caught.value.__cause__, ImageError)
    path.unlink()
    with pytest.raises(EvaluationError, match=r"item 7 .*FileNotFoundError.*tintype verify"):
        numbers.load_arrays((4, 6, 3))


@pytest.mark.parametrize(
    ("made", "dtype", "fits"),
    [
        ("float64", None, False),
        ("int64", None, False),
        ("uint16", "uint8", False),
        ("float64", "int64", False),
        ("uint8", "float32", True),
        ("float64", "float32", True),
        ("uint8", "int64", True),
        ("bool", "uint8", True),
    ],
)
def test_values_are_never_cut_to_fit(numbers, made, dtype, fits):
    def load(path):
        return np.full(2, 1, made)

    if fits:
        assert numbers.load_arrays(load_func=load, dtype=dtype).tolist() == [[1, 1]] * len(NUMBERS)
        return
    with pytest.raises(EvaluationError, match=rf"item \d+ .*it has dtype {made}, and \w+ cannot hold its values: give"):
        numbers.load_arrays(load_func=load, dtype=dtype)


def test_what_is_no_array_of_numbers_is_refused(numbers):
    with pytest.raises(EvaluationError, match=r"it has dtype \|S\d+, and uint8 cannot hold"):
        numbers.load_arrays(load_func=load_bytes)
    with pytest.raises(SettingsError, match="dtype is object, which holds Python objects"):
        numbers.load_arrays(dtype=object)


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_a_number_of_threads_that_is_none_is_refused(numbers, n_jobs):
    with pytest.raises(SettingsError, match=f"n_jobs is {n_jobs}: give"):
        numbers.load_arrays(n_jobs=n_jobs)


def test_what_is_not_published_says_so(tmp_path):
    with pytest.raises(ManifestError, match="Nothing is not published: build its stage first"):
        DirectoryTarget(tmp_path / "Nothing").load_arrays()


def test_an_exit_in_a_thread_ends_it(numbers):
    def leave(path):
        raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        numbers.load_arrays((4, 6, 3), load_func=leave)


# An array of the caller's


def test_an_array_of_the_caller_s_is_filled_and_returned(numbers):
    out = np.empty((len(NUMBERS), 4, 6, 3), np.float32)
    assert numbers.load_arrays(out=out) is out
    assert out[:, 0, 0, 0].tolist() == NUMBERS


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 4, 6, 3), None), ((len(NUMBERS), 4, 6), None), ((len(NUMBERS), 4, 6, 3), "int16")]
)
def test_an_array_that_does_not_fit_is_refused_with_one_that_does(numbers, shape, dtype):
    with pytest.raises(SettingsError, match=rf"out has shape .*: give numpy\.empty\(\({len(NUMBERS)}, 4, 6, 3\), "):
        numbers.load_arrays((4, 6, 3), out=np.empty(shape, np.uint8), dtype=dtype)


# A file


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_holds_the_array_and_is_mapped_read_only(numbers, tmp_path, kind):
    path = tmp_path / "made" / "all.npy"
    array, rows = numbers.load_arrays(out=kind(path), columns=["label"])
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, numbers.load_arrays())
    np.testing.assert_array_equal(np.load(path), array)
    assert len(rows) == len(array)
    assert os.listdir(path.parent) == ["all.npy"]


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float64", (3, 2)), (">i2", ()), ("<U5", (2,)), ("?", (0,)), ("u1", (1,))]
)
def test_a_file_has_any_dtype_and_shape(numbers, tmp_path, dtype, shape):
    def load(path):
        return np.full(shape, int(path.stem) % 2, dtype)

    array = numbers.load_arrays(shape, load_func=load, dtype=dtype, out=tmp_path / "all.npy")
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array, numbers.load_arrays(load_func=load, dtype=dtype))
    np.testing.assert_array_equal(load_array(tmp_path / "all.npy"), array)


def test_an_array_that_is_not_in_order_is_written_in_order(numbers, tmp_path):
    def load(path):
        return np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))[:, ::-1]

    assert numbers.load_arrays(load_func=load, out=tmp_path / "all.npy")[3].tolist() == [[2, 1, 0], [5, 4, 3]]


def test_half_a_file_is_never_there(numbers, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "all.npy").write_bytes(b"the old one")
    seen = []

    def load(path):
        seen.append((folder / "all.npy").read_bytes())
        if len(seen) == 20:
            raise ValueError("torn")
        return load_image(path)

    with pytest.raises(EvaluationError, match="torn"):
        numbers.load_arrays(load_func=load, out=folder / "all.npy", n_jobs=1)
    assert set(seen) == {b"the old one"}
    assert os.listdir(folder) == ["all.npy"]
    assert (folder / "all.npy").read_bytes() == b"the old one"
    old = numbers.load_arrays(out=folder / "all.npy")
    numbers.load_arrays(out=folder / "all.npy", where="label == 'odd'")
    assert old[:, 0, 0, 0].tolist() == NUMBERS


def test_a_folder_in_the_place_of_the_file_is_refused_before_work_is_done(numbers, tmp_path):
    with pytest.raises(SettingsError, match=r"is a folder: give the path of an \.npy file"):
        numbers.load_arrays((4, 6, 3), out=tmp_path, load_func=lambda path: pytest.fail("worked"))


def test_a_disk_that_has_no_room_says_so_before_work_is_done(numbers, tmp_path):
    """A limit on the size of files, in a process of its own: what the disk says is the same."""
    script = """
        import resource, signal, sys
        from tintype import DirectoryTarget
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        target = DirectoryTarget(sys.argv[1])
        try:
            target.load_arrays((4, 6, 3), out=sys.argv[2], load_func=lambda path: sys.exit("worked"))
        except OSError as error:
            print(error.errno, error.filename)
    """
    out = tmp_path / "made" / "all.npy"
    command = [sys.executable, "-c", textwrap.dedent(script), numbers.path, str(out)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == [str(errno.EFBIG), str(out)], result.stderr
    assert os.listdir(out.parent) == []


@pytest.mark.slow
def test_a_file_larger_than_what_memory_may_hold_is_written(tmp_path):
    source = write_images(tmp_path / "source", range(200))
    target = build(Kept, source)
    script = """
        import sys
        import numpy as np
        from tintype import DirectoryTarget

        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

        def load(path):
            return np.full((1024, 1024), int(path.stem), np.uint8)

        target = DirectoryTarget(sys.argv[1])
        target.load_arrays((1024, 1024), load_func=load, where="inpath == 'odd/001.png'", out=sys.argv[2])
        before = peak()
        array = target.load_arrays((1024, 1024), load_func=load, out=sys.argv[2])
        assert array.nbytes == 200 << 20
        assert peak() - before < 40, (before, peak())
        assert array[:, 5, 5].tolist() == list(range(0, 200, 2)) + list(range(1, 200, 2))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), target.path, str(tmp_path / "all.npy")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def test_a_bar_is_shown_on_request(numbers, capsys, monkeypatch):
    monkeypatch.setattr("tintype.pipelines.run_progress._FIRST_SECONDS", 0.0)
    numbers.load_arrays()
    assert capsys.readouterr().err == ""
    numbers.load_arrays(progress=True)
    assert f"{len(NUMBERS)}/{len(NUMBERS)}" in capsys.readouterr().err
