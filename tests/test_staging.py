"""Behaviour of tintype.targets.staging."""

import json
import logging
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tintype import DirectoryTarget
from tintype.errors import (
    CollisionError,
    ManifestError,
    SettingsError,
    StagingError,
    StagingLockedError,
    StampError,
    StrayDirectoryError,
)
from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME, columns_schema
from tintype.pipelines.file_result import FileResult
from tintype.recipe import Recipe
from tintype.targets import Staging, Verification, relative_paths, renames
from tintype.targets import begin as begin_module
from tintype.tasks.result_columns import added_batches
from tintype.write_funcs.files import hash_file

RECIPE = Recipe("Letters", "1")
NO_COLUMNS = columns_schema({})


@pytest.fixture
def path(tmp_path):
    """Return where the directory is published."""
    return tmp_path / "interim" / "Letters"


def put(staging, *names, text=None):
    """Write files below the staging directory and add them."""
    for name in names:
        file = staging.files / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name if text is None else text)
        staging.add(name)


def publish(staging, extra=NO_COLUMNS, *, durable=False):
    return staging.publish(added_batches(staging.added, extra), extra, durable=durable)


def build(path, *names, recipe=RECIPE, text=None, durable=False):
    """Build and publish a directory of files that hold their names."""
    with Staging(path, recipe) as staging:
        put(staging, *(name for name in names if not staging.is_finished(name)), text=text)
        return publish(staging, durable=durable)


def start(path, *names, recipe=RECIPE):
    """Build a directory of files and stop before it is published."""
    with Staging(path, recipe) as staging:
        put(staging, *names)
        return staging.folder


def listing(folder):
    return sorted(entry.relative_to(folder).as_posix() for entry in Path(folder).rglob("*") if not entry.is_dir())


def contents(path):
    target = DirectoryTarget(path)
    assert target.verify(deep=True).ok
    return {file.relative_to(path).as_posix(): file.read_text() for file in target.files()}


# Publishing


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("names", [[], ["a.txt"], ["a.txt", "b/c.txt", "b/d/\u00e9 'x'.txt"]], ids=len)
def test_zero_one_and_many_files_are_published_and_nothing_is_left_beside(path, names, durable):
    stamp = build(path, *names, durable=durable)
    assert contents(path) == {name: name for name in names}
    assert listing(path) == sorted([*names, MANIFEST_NAME, STAMP_NAME])
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]
    assert DirectoryTarget(path).stamp() == stamp
    assert (stamp.n_rows, stamp.n_files, stamp.recipe) == (len(names), len(names), RECIPE)
    assert stamp.size_bytes == sum(len(name.encode()) for name in names)


def test_parent_folders_are_made(tmp_path):
    build(tmp_path / "new" / "interim" / "Letters", "a.txt")
    assert contents(tmp_path / "new" / "interim" / "Letters") == {"a.txt": "a.txt"}


def test_no_two_builds_share_an_id_and_equal_files_share_a_digest(path):
    first, second = build(path, "a.txt", "b.txt"), build(path, "b.txt", "a.txt", recipe=replace(RECIPE, version="2"))
    assert first.build_id != second.build_id
    assert first.digest == second.digest
    assert build(path, "a.txt").digest != first.digest


def test_columns_and_inputs_stand_on_the_manifest(path):
    columns = {"label": str, "n_letters": int}
    with Staging(path, RECIPE) as staging:
        for name in ("a.txt", "b.txt"):
            (staging.files / name).write_text(name)
            staging.add(name, inpath=f"raw/{name}", columns={"label": name[0], "n_letters": 5})
        publish(staging, columns_schema(columns))
    rows = list(DirectoryTarget(path).manifest().rows())
    assert [(row["inpath"], row["outpath"], row["label"], row["n_letters"]) for row in rows] == [
        ("raw/a.txt", "a.txt", "a", 5),
        ("raw/b.txt", "b.txt", "b", 5),
    ]
    assert {row["status"] for row in rows} == {"written"}
    assert [row["digest"] for row in rows] == [hash_file(path / name)[0] for name in ("a.txt", "b.txt")]


def test_until_it_is_published_nothing_is_visible(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        assert not path.exists()
        assert not DirectoryTarget(path).exists()
        assert all(entry.name.startswith(".") for entry in path.parent.iterdir())
    assert not path.exists()


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_old_directory_is_there_until_the_new_one_is(path, monkeypatch, can_exchange):
    if not can_exchange:
        forbid_exchange(monkeypatch)
    build(path, "a.txt", "old.txt")
    with Staging(path, replace(RECIPE, version="2")) as staging:
        put(staging, "a.txt", "new.txt")
        assert contents(path) == {"a.txt": "a.txt", "old.txt": "old.txt"}
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt", "new.txt": "new.txt"}
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_empty_directory_that_is_there_is_filled(path, monkeypatch, can_exchange):
    if not can_exchange:
        forbid_exchange(monkeypatch)
    path.mkdir(parents=True)
    build(path, "a.txt")
    assert contents(path) == {"a.txt": "a.txt"}
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


def forbid_exchange(monkeypatch):
    """Be on a kernel that has no renameat2."""

    def refuse(source, target, flags):
        raise renames.ExchangeUnsupportedError(38, os.strerror(38), str(source))

    monkeypatch.setattr(renames, "_renameat2", refuse)


def test_where_names_cannot_be_exchanged_a_failure_puts_the_old_directory_back(path, monkeypatch):
    forbid_exchange(monkeypatch)
    build(path, "a.txt")
    rename, calls = os.rename, []

    def fail_second(source, target):
        calls.append((source, target))
        if len(calls) == 2:
            raise OSError(5, os.strerror(5))
        rename(source, target)

    with Staging(path, replace(RECIPE, version="2")) as staging:
        put(staging, "b.txt")
        monkeypatch.setattr(os, "rename", fail_second)
        with pytest.raises(StagingError, match=r"Input/output error while publishing .*/Letters: run again when"):
            publish(staging)
        monkeypatch.setattr(os, "rename", rename)
    assert contents(path) == {"a.txt": "a.txt"}
    assert build(path, "b.txt", recipe=replace(RECIPE, version="2")).n_files == 1


@pytest.mark.parametrize("kind", ["folder with a file", "file", "link to nothing"])
def test_what_tintype_did_not_make_is_left_alone(path, kind):
    path.parent.mkdir(parents=True)
    if kind == "folder with a file":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("absent")
    before = sorted(os.listdir(path)) if path.is_dir() else os.lstat(path).st_mtime_ns
    sentence = r"Letters is there, but tintype did not make it \(it has no _stamp\.json\): move it away, or choose"
    with pytest.raises(StrayDirectoryError, match=sentence):
        Staging(path, RECIPE)
    assert before == (sorted(os.listdir(path)) if path.is_dir() else os.lstat(path).st_mtime_ns)


def test_what_appears_during_the_build_is_left_alone_and_the_work_is_kept(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        path.mkdir()
        (path / "mine.txt").write_text("mine")
        with pytest.raises(StrayDirectoryError, match="tintype did not make it"):
            publish(staging)
    assert listing(path) == ["mine.txt"]
    shutil.rmtree(path)
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 1
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt"}


def test_a_directory_with_a_corrupt_stamp_is_not_replaced(path):
    build(path, "a.txt")
    (path / STAMP_NAME).write_text("{")
    with pytest.raises(StampError, match="is corrupt"):
        Staging(path, RECIPE)
    assert (path / "a.txt").read_text() == "a.txt"


def test_a_manifest_that_fails_half_way_publishes_nothing_and_keeps_the_work(path):
    def batches(staging):
        yield from added_batches(staging.added, NO_COLUMNS)
        raise ManifestError("the rows broke off")

    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        with pytest.raises(ManifestError, match="the rows broke off"):
            staging.publish(batches(staging), NO_COLUMNS, durable=False)
    assert not path.exists()
    with Staging(path, RECIPE) as staging:
        assert staging.is_finished("a.txt")
        publish(staging)
    assert listing(path) == sorted(["a.txt", MANIFEST_NAME, STAMP_NAME])


# Adding


def test_a_file_is_finished_once_it_is_added(path):
    with Staging(path, RECIPE) as staging:
        assert not staging.is_finished("a.txt")
        put(staging, "a.txt")
        assert staging.is_finished("a.txt")
        assert not staging.is_finished("b.txt")


def test_a_file_added_twice_is_refused(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        with pytest.raises(
            CollisionError, match=r"a\.txt was added twice to .*Letters: give each file a path of its own"
        ):
            staging.add("a.txt")
        put(staging, "b.txt")
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt", "b.txt": "b.txt"}


def test_a_file_of_an_earlier_run_may_be_made_and_added_again_once(path):
    start(path, "a.txt", "b.txt")
    with Staging(path, RECIPE) as staging:
        put(staging, "b.txt", text="new and longer")
        with pytest.raises(CollisionError, match=r"b\.txt was added twice"):
            staging.add("b.txt")
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt", "b.txt": "new and longer"}


def test_a_file_that_is_not_there_is_told_with_what_to_do(path):
    with (
        Staging(path, RECIPE) as staging,
        pytest.raises(StagingError, match=r"a\.txt was added to .* but is not there: write .*files/a\.txt first"),
    ):
        staging.add("a.txt")


@pytest.mark.parametrize("outpath", ["../a.txt", "/a.txt", "", "_stamp.json", "_manifest.parquet/a.txt", "b\udce9.txt"])
def test_a_path_that_cannot_be_is_refused(path, outpath):
    with Staging(path, RECIPE) as staging, pytest.raises(SettingsError, match=r"output path|is|holds bytes"):
        staging.add(outpath)


def test_a_file_that_was_never_added_is_not_published(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        (staging.files / "forgotten.txt").write_text("written and not added")
        with pytest.raises(ManifestError, match=r"forgotten\.txt lies in .*staging\.add"):
            publish(staging)


def test_a_row_and_an_added_file_of_one_path_are_refused(path):
    def add_and_publish(staging):
        staging.add("a.txt")
        both = [*added_batches(staging.rows, NO_COLUMNS), *added_batches(staging.added, NO_COLUMNS)]
        staging.publish(both, NO_COLUMNS, durable=False)

    with Staging(path, RECIPE) as staging:
        (staging.files / "a.txt").write_text("abc")
        staging.rows.append([make_row(0, "a.txt")])
        staging.rows.flush()
        with pytest.raises(ManifestError, match="names 2 files, and 1 are there"):
            add_and_publish(staging)


# Resuming


def test_what_was_finished_is_kept_and_the_rest_is_done(path, caplog):
    caplog.set_level(logging.INFO, "luigi-interface")
    start(path, "a.txt", "b/c.txt")
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 2
        assert [staging.is_finished(name) for name in ("a.txt", "b/c.txt", "d.txt")] == [True, True, False]
        put(staging, "d.txt")
        publish(staging)
    assert contents(path) == {name: name for name in ("a.txt", "b/c.txt", "d.txt")}
    assert "Letters: resumed, 2 finished files kept, 0 dropped" in caplog.text


def test_a_build_may_be_resumed_many_times(path):
    names = [f"{number}.txt" for number in range(12)]
    for n_done, name in enumerate(names):
        with Staging(path, RECIPE) as staging:
            assert staging.n_kept == n_done
            put(staging, name)
    build_ids = {json.loads((path.parent / ".Letters.staging" / "recipe.json").read_bytes())["build_id"]}
    stamp = build(path, *names)
    assert build_ids == {stamp.build_id}
    assert contents(path) == {name: name for name in names}


FAULTS = {
    "missing": lambda file: file.unlink(),
    "shorter": lambda file: file.write_text("x"),
    "longer": lambda file: file.write_text("x" * 100),
    "empty": lambda file: file.write_text(""),
    "link to nothing": lambda file: (file.unlink(), file.symlink_to("absent")),
}


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS.keys())
def test_a_file_that_is_not_as_the_journal_says_is_made_again(path, spoil):
    folder = start(path, "a.txt", "b.txt", "c.txt")
    spoil(folder / "files" / "b.txt")
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 2
        assert [staging.is_finished(name) for name in ("a.txt", "b.txt", "c.txt")] == [True, False, True]
        assert not os.path.lexists(staging.files / "b.txt")
        put(staging, "b.txt")
        publish(staging)
    assert contents(path) == {name: name for name in ("a.txt", "b.txt", "c.txt")}


def test_a_file_that_no_journal_names_is_dropped(path):
    folder = start(path, "a.txt")
    for name in ("orphan.txt", "b/orphan.txt", ".hidden", MANIFEST_NAME, STAMP_NAME):
        (folder / "files" / name).parent.mkdir(exist_ok=True)
        (folder / "files" / name).write_text("half")
    build(path, "a.txt")
    assert listing(path) == sorted(["a.txt", MANIFEST_NAME, STAMP_NAME])


def test_a_forgotten_file_gives_its_place_to_no_other(path):
    """The row of a lost file is free; a file that is new must not take the row of one that was kept."""
    folder = start(path, "a.txt", "b.txt", "c.txt")
    (folder / "files" / "a.txt").unlink()
    with Staging(path, RECIPE) as staging:
        put(staging, "d.txt", "e.txt")
        publish(staging)
    assert sorted(contents(path)) == ["b.txt", "c.txt", "d.txt", "e.txt"]


@pytest.mark.parametrize(
    "other",
    [replace(RECIPE, version="2"), replace(RECIPE, parameters={"a": "1"}), replace(RECIPE, inputs={"raw/x": "1"})],
    ids=["version", "parameters", "inputs"],
)
def test_another_recipe_starts_from_nothing(path, other):
    start(path, "a.txt")
    with Staging(path, other) as staging:
        assert staging.n_kept == 0
        assert not staging.is_finished("a.txt")
        assert listing(staging.files) == []
        put(staging, "b.txt")
        publish(staging)
    assert contents(path) == {"b.txt": "b.txt"}


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"null", b"\0\0", b'{"recipe": {}}'])
def test_a_staging_directory_that_does_not_say_its_recipe_starts_from_nothing(path, content):
    folder = start(path, "a.txt")
    (folder / "recipe.json").unlink()
    if content is not None:
        (folder / "recipe.json").write_bytes(content)
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 0
        assert listing(staging.files) == []


def test_in_the_same_life_of_the_machine_sizes_prove_a_file_and_in_another_its_bytes(path, monkeypatch):
    folder = start(path, "a.txt", "b.txt")
    (folder / "files" / "b.txt").write_text("B.TXT")  # of the same size
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 2
    monkeypatch.setattr(begin_module, "_boot_id", lambda: "after a power cut")
    with Staging(path, RECIPE) as staging:
        assert [staging.is_finished(name) for name in ("a.txt", "b.txt")] == [True, False]
        put(staging, "b.txt")
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 2
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt", "b.txt": "b.txt"}


def make_row(number, outpath, **values):
    row = FileResult(number, f"raw/{outpath}", "written", outpath, None, None, "00", 3, 1, 2, None)
    return row._replace(**values)


def test_rows_that_failed_are_tried_again_and_those_without_a_file_are_kept(path):
    with Staging(path, RECIPE) as staging:
        (staging.files / "a.txt").write_text("abc")
        staging.rows.append(
            [
                make_row(0, "a.txt"),
                make_row(1, None, status="failed", error="no", digest=None, size_bytes=None),
                make_row(2, None, status="dropped", digest=None, size_bytes=None),
                make_row(3, None, status="recorded", digest=None, size_bytes=None, columns={"n": 1}),
                make_row(4, "gone.txt"),
            ]
        )
    with Staging(path, RECIPE) as staging:
        assert staging.rows.has(0, 5).tolist() == [True, False, True, True, False]
        assert staging.rows.columns(3, 4)["columns"] == [{"n": 1}]


def test_rows_and_added_files_are_proven_side_by_side(path):
    with Staging(path, RECIPE) as staging:
        (staging.files / "a.txt").write_text("abc")
        staging.rows.append([make_row(0, "a.txt")])
        put(staging, "index.txt")
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 2
        assert listing(staging.files) == ["a.txt", "index.txt"]
        assert staging.is_finished("index.txt")
        assert not staging.is_finished("a.txt")  # a row, which its stage knows of


# What a kill leaves


@pytest.mark.parametrize("name", ["Letters", "Letters-size=[1]*", "L\u00e9 ?{a}"])
def test_leftovers_are_swept_by_the_next_build(tmp_path, name):
    path = tmp_path / name
    build(path, "a.txt")
    others = [f".{name}x.trash-1", ".Other.trash-1", f"{name}.trash-1", ".Letters-size=1.trash-2"]
    for leftover in [f".{name}.trash-1", f".{name}.old-2", *others]:
        (tmp_path / leftover / "files").mkdir(parents=True)
        (tmp_path / leftover / "files" / "a.txt").write_text("old")
    (tmp_path / f".{name}.trash-file").write_text("a file, for once")
    build(path, "b.txt", recipe=replace(RECIPE, version="2"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([name, *others])
    assert contents(path) == {"b.txt": "b.txt"}


def test_an_old_directory_that_was_put_aside_is_put_back(path, caplog):
    build(path, "a.txt")
    os.rename(path, path.with_name(".Letters.old-1"))  # killed between the two renames
    with Staging(path, replace(RECIPE, version="2")) as staging:
        assert contents(path) == {"a.txt": "a.txt"}
        staging.discard()
    assert "Letters: put back after an interrupted replacement" in caplog.text
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


def test_an_old_directory_is_not_put_back_over_the_new_one(path):
    build(path, "old.txt")
    shutil.copytree(path, path.with_name(".Letters.old-1"))
    build(path, "new.txt", recipe=replace(RECIPE, version="2"))
    assert contents(path) == {"new.txt": "new.txt"}
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


def test_a_directory_that_was_swapped_out_is_never_resumed(path):
    """Killed after the exchange: ``files`` is the old directory, whose files were made by another recipe."""
    second = replace(RECIPE, version="2")
    build(path, "a.txt", text="A.TXT")  # of the same size, so that only the stamp tells
    folder = start(path, "a.txt", recipe=second)
    shutil.copytree(path, folder / "old")
    shutil.rmtree(folder / "files")
    os.rename(folder / "old", folder / "files")
    with Staging(path, second) as staging:
        assert staging.n_kept == 0
        assert not staging.is_finished("a.txt")
        assert listing(staging.files) == []


def test_a_staging_directory_without_its_files_is_resumed_from_nothing(path):
    """Killed after the rename of a first build."""
    folder = start(path, "a.txt")
    shutil.rmtree(folder / "files")
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 0
        assert not staging.is_finished("a.txt")
        put(staging, "a.txt")
        publish(staging)
    assert contents(path) == {"a.txt": "a.txt"}


def test_discarding_leaves_what_is_published_and_nothing_else(path):
    build(path, "a.txt")
    with Staging(path, replace(RECIPE, version="2")) as staging:
        put(staging, "b.txt")
        staging.discard()
    assert contents(path) == {"a.txt": "a.txt"}
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


def test_what_cannot_be_cleared_away_does_not_undo_the_publishing(path, monkeypatch, caplog):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        monkeypatch.setattr(relative_paths, "_remove_folder", refuse_to_remove)
        publish(staging)
    monkeypatch.undo()
    assert contents(path) == {"a.txt": "a.txt"}
    assert "is left behind" in caplog.text
    build(path, "b.txt", recipe=replace(RECIPE, version="2"))
    assert [entry.name for entry in path.parent.iterdir()] == ["Letters"]


def refuse_to_remove(folder):
    raise OSError(5, os.strerror(5), str(folder))


# One writer at a time


def test_a_second_build_of_one_directory_is_refused_with_the_first_ones_process(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        with pytest.raises(StagingLockedError, match=rf"Letters is being built by process {os.getpid()} on .* since"):
            Staging(path, RECIPE)
        with Staging(path.with_name("Others"), RECIPE) as other:
            assert other.n_kept == 0
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 1


def test_of_many_builds_at_once_one_has_the_directory(path):
    barrier = threading.Barrier(8, timeout=60)
    outcomes: list[str] = []

    def try_to_build(number):
        barrier.wait()
        try:
            with Staging(path, RECIPE) as staging:
                put(staging, f"{number}.txt")
                outcomes.append("built")
                barrier.wait()
        except StagingLockedError:
            outcomes.append("refused")
            barrier.wait()

    threads = [threading.Thread(target=try_to_build, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["built"] + ["refused"] * 7


def test_the_lock_is_let_go_when_a_staging_cannot_be_opened(path):
    path.mkdir(parents=True)
    (path / "mine.txt").touch()
    for _ in range(2):
        with pytest.raises(StrayDirectoryError, match="tintype did not make it"):
            Staging(path, RECIPE)
    (path / "mine.txt").unlink()
    with Staging(path, RECIPE) as staging:
        publish(staging)


def test_closing_twice_is_harmless(path):
    staging = Staging(path, RECIPE)
    staging.close()
    staging.close()
    with Staging(path, RECIPE):
        pass


# Large, and declared


def test_many_files_are_resumed_and_published(path):
    names = [f"{number % 10}/{number}.txt" for number in range(1_000)]
    start(path, *names[:600])
    with Staging(path, RECIPE) as staging:
        assert staging.n_kept == 600
        put(staging, *(name for name in names if not staging.is_finished(name)))
        publish(staging)
    assert DirectoryTarget(path).verify(deep=True) == Verification(1_000)


def test_a_column_that_no_file_has_is_null(path):
    with Staging(path, RECIPE) as staging:
        put(staging, "a.txt")
        publish(staging, columns_schema({"label": str}))
    (row,) = DirectoryTarget(path).manifest().rows()
    assert row["label"] is None
    assert DirectoryTarget(path).manifest().schema.field("label").type == pa.string()


def test_folders_without_a_file_are_not_published_unless_they_are_wanted(path):
    for keeps in (False, True):
        with Staging(path, RECIPE) as staging:
            staging.keeps_empty_folders = keeps
            put(staging, "a/b.txt")
            (staging.files / "empty" / "deep").mkdir(parents=True)
            publish(staging)
        assert (path / "empty" / "deep").is_dir() is keeps
        assert (path / "a" / "b.txt").is_file()
