"""Datasets without Luigi: get_raw, process and build, remembered."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.archive_builders import FILES, compress, make_tar, tar_entry
from tests.servers.faults import fault_server
from tests.test_s3_stages import moto_port, s3

import tintype
from tintype.cli import main
from tintype.datasets import Dataset, FolderDataset, S3Downloader, S3TarfileDataset, TarfileExtractor, UrlListDataset
from tintype.errors import (
    MemberError,
    SettingsError,
    SourceNotFoundError,
    StagingLockedError,
    StrayDirectoryError,
    TooManyFailuresError,
)
from tintype.load_funcs.http import FetchPolicy
from tintype.targets.directory import DirectoryTarget
from tintype.targets.staging import Staging

__all__ = ["moto_port", "s3"]

CALLS: list[str] = []


class Words(Dataset):
    text = "one two"
    suffix = "!"

    def get_raw(self) -> None:
        CALLS.append("get_raw")
        (self.raw_dir / "en").mkdir()
        (self.raw_dir / "en" / "words.txt").write_text(self.text)

    def process(self) -> None:
        CALLS.append("process")
        for path in sorted(self.raw_dir.rglob("*.txt")):
            (self.processed_dir / path.name).write_text(self.shout(path.read_text()))

    def shout(self, text: str) -> str:
        return shout(text) + self.suffix


def shout(text: str) -> str:
    return text.upper()


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLS.clear()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("_manifest.parquet", "_stamp.json")
    }


def states(report: Any) -> tuple[str, str]:
    return report.raw.state, report.processed.state


def reasons(part: Any) -> list[str]:
    return [reason.text for reason in part.reasons]


def test_build_brings_in_and_processes_and_the_second_time_does_nothing(tmp_path):
    words = Words(tmp_path)
    report = words.build()
    assert states(report) == ("built", "built")
    assert CALLS == ["get_raw", "process"]
    assert tree(tmp_path / "raw") == {"en/words.txt": b"one two"}
    assert tree(tmp_path / "processed") == {"words.txt": b"ONE TWO!"}
    assert (words.raw_dir, words.interim_dir, words.processed_dir) == (
        tmp_path / "raw",
        tmp_path / "interim",
        tmp_path / "processed",
    )
    assert states(Words(str(tmp_path)).build()) == ("kept", "kept")
    assert CALLS == ["get_raw", "process"]
    assert str(report).splitlines()[0].endswith("raw: built, 1 files (never built)")


def test_the_directories_have_manifests_that_the_commands_read(tmp_path, capsys):
    Words(tmp_path).build()
    for layer in ("raw", "processed"):
        assert main(["verify", "--deep", str(tmp_path / layer)]) == 0
    assert main(["show", str(tmp_path / "raw")]) == 0
    assert "en/words.txt" in capsys.readouterr().out
    assert [row["label"] for row in DirectoryTarget(tmp_path / "raw").manifest().rows()] == ["en"]


def test_a_process_that_fails_does_not_fetch_again(tmp_path, monkeypatch):
    def fail(self):
        CALLS.append("process")
        (self.processed_dir / "half.txt").write_text("half")
        raise RuntimeError("no more paper")

    monkeypatch.setattr(Words, "process", fail)
    with pytest.raises(RuntimeError, match="no more paper") as caught:
        Words(tmp_path).build()
    assert caught.value.__notes__ == [f"{tmp_path}/processed was left as it was."]
    assert not (tmp_path / "processed").exists()
    monkeypatch.undo()
    assert states(Words(tmp_path).build()) == ("kept", "built")
    assert CALLS == ["get_raw", "process", "process"]
    assert tree(tmp_path / "processed") == {"words.txt": b"ONE TWO!"}


def test_readers_keep_the_old_processed_data_when_a_new_process_fails(tmp_path, monkeypatch):
    Words(tmp_path).build()
    monkeypatch.setattr(Words, "process", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division"):
        Words(tmp_path).build()
    assert tree(tmp_path / "processed") == {"words.txt": b"ONE TWO!"}


def test_a_get_raw_that_raises_is_not_taken_for_done_and_begins_with_an_empty_folder(tmp_path, monkeypatch):
    def stop(self):
        (self.raw_dir / "half.txt").write_text("half")
        raise KeyboardInterrupt("now")

    with monkeypatch.context() as patch:
        patch.setattr(Words, "get_raw", stop)
        with pytest.raises(KeyboardInterrupt, match="now"):
            Words(tmp_path).build()
    assert not (tmp_path / "raw").exists()
    Words(tmp_path).build()
    assert tree(tmp_path / "raw") == {"en/words.txt": b"one two"}


def test_either_method_alone_will_do(tmp_path):
    class OnlyRaw(Dataset):
        def get_raw(self):
            (self.raw_dir / "a.txt").write_text("a")

    class OnlyProcess(Dataset):
        def process(self):
            CALLS.append("process")
            (self.processed_dir / "n.txt").write_text(str(len(list(self.raw_dir.iterdir()))))

    assert states(OnlyRaw(tmp_path / "one").build()) == ("built", "not defined")
    with pytest.raises(SettingsError, match=r"two/raw is not there, and OnlyProcess has no get_raw: put the raw data"):
        OnlyProcess(tmp_path / "two").build()
    (tmp_path / "two" / "raw").mkdir(parents=True)
    (tmp_path / "two" / "raw" / "a.txt").write_text("by hand")
    assert states(OnlyProcess(tmp_path / "two").build()) == ("given", "built")
    assert states(OnlyProcess(tmp_path / "two").build()) == ("given", "kept")
    (tmp_path / "two" / "raw" / "b.txt").write_text("by hand")
    report = OnlyProcess(tmp_path / "two").build()
    assert (states(report), reasons(report.processed)) == (("given", "built"), ["input raw changed"])
    assert tree(tmp_path / "two" / "processed") == {"n.txt": b"2"}


def test_without_either_there_is_nothing_to_build(tmp_path):
    with pytest.raises(NotImplementedError, match="Dataset has nothing to build: override get_raw or process"):
        Dataset(tmp_path).build()
    for name in ("get_raw", "process"):
        with pytest.raises(NotImplementedError, match=f"Dataset has no {name}: override it"):
            getattr(Dataset(tmp_path), name)()
    assert not any(tmp_path.iterdir())


def test_called_on_its_own_a_method_goes_through_staging_and_is_remembered(tmp_path):
    words = Words(tmp_path)
    with pytest.raises(
        SettingsError, match=r"Words.process needs the raw data, and .*raw is not built: call build\(\)"
    ):
        words.process()
    words.get_raw()
    words.get_raw()
    assert DirectoryTarget(tmp_path / "raw").verify(deep=True).ok
    words.process()
    assert states(words.build()) == ("kept", "kept")
    assert CALLS == ["get_raw", "process"]


def test_an_overriding_method_calls_that_of_its_base(tmp_path):
    class MoreWords(Words):
        def get_raw(self):
            super().get_raw()
            (self.raw_dir / "more.txt").write_text("three")

        def process(self):
            super().process()
            (self.processed_dir / "list.txt").write_text("x")

    MoreWords(tmp_path).build()
    assert set(tree(tmp_path / "raw")) == {"en/words.txt", "more.txt"}
    assert tree(tmp_path / "processed") == {"words.txt": b"ONE TWO!", "more.txt": b"THREE!", "list.txt": b"x"}


def test_a_method_put_on_the_object_counts_too(tmp_path):
    words: Any = Words(tmp_path)
    words.process = lambda: (words.processed_dir / "own.txt").write_text("own")
    words.build()
    assert tree(tmp_path / "processed") == {"own.txt": b"own"}


@pytest.mark.parametrize(
    ("name", "value", "expected", "why"),
    [
        ("suffix", "?", ("kept", "built"), 'suffix changed from "!" to "?"'),
        ("process_version", "2", ("kept", "built"), "version changed from 1 to 2"),
        ("text", "one", ("built", "built"), 'text changed from "one two" to "one"'),
        ("raw_version", "2", ("built", "kept"), "version changed from 1 to 2"),  # the same bytes came in
        ("unrelated", "x", ("kept", "kept"), None),
    ],
)
def test_only_what_reads_an_attribute_is_built_again(tmp_path, monkeypatch, name, value, expected, why):
    Words(tmp_path).build()
    monkeypatch.setattr(Words, name, value, raising=False)
    looked = Words(tmp_path).explain()
    report = Words(tmp_path).build()
    assert states(report) == expected
    changed = report.raw if expected[0] == "built" else report.processed
    assert reasons(changed) == ([] if why is None else [why])
    assert (why is None) == ("would be built" not in states(looked))
    assert why is None or why in str(report)


def test_an_attribute_of_the_object_counts_and_one_that_a_method_sets_does_not(tmp_path):
    class Sized(Dataset):
        def __init__(self, base_dir, size, note):
            super().__init__(base_dir)
            self.size, self.note = size, note

        def get_raw(self):
            self.n_fetched = len(str(self.size))
            (self.raw_dir / "size.txt").write_text(str(self.size) * self.n_fetched)

        def process(self):
            self.n_processed = getattr(self, "n_processed", 0) + 1

    sized = Sized(tmp_path, 3, "first")
    assert states(sized.build()) == ("built", "built")
    assert states(sized.build()) == ("kept", "kept")
    assert states(Sized(tmp_path, 3, "second").build()) == ("kept", "kept")
    report = Sized(tmp_path, 4, "second").build()
    assert states(report) == ("built", "built")
    assert reasons(report.raw) == ["size changed from 3 to 4"]


def test_attributes_that_are_no_plain_values_count_by_what_they_are(tmp_path):
    def plus(n):
        def add(text):
            return text + "+" * n

        return add

    class Mapped(Words):
        def __init__(self, base_dir, change):
            super().__init__(base_dir)
            self.change = change

        def process(self):
            (self.processed_dir / "a.txt").write_text(self.change("a"))

    assert states(Mapped(tmp_path, plus(1)).build()) == ("built", "built")
    assert states(Mapped(tmp_path, plus(1)).build()) == ("kept", "kept")
    assert states(Mapped(tmp_path, plus(2)).build()) == ("kept", "built")


def test_equal_raw_data_is_not_processed_again(tmp_path, monkeypatch):
    Words(tmp_path).build()
    monkeypatch.setattr(Words, "raw_version", "2")
    Words(tmp_path).build()
    assert CALLS == ["get_raw", "process", "get_raw"]


def test_a_source_that_changes_is_fetched_again(tmp_path):
    class Versioned(Words):
        etag = "a"

        def source_digests(self):
            return {"etag": self.etag}

    versioned = Versioned(tmp_path)
    versioned.build()
    assert states(versioned.build()) == ("kept", "kept")
    versioned.etag = "b"
    report = versioned.build()
    assert (report.raw.state, reasons(report.raw)) == ("built", ["input etag changed"])


MODULE = """
from tintype import Dataset

def change(text):
    return text.upper()

class Words(Dataset):
    def get_raw(self):
        print("get_raw")
        (self.raw_dir / "words.txt").write_text("one")

    def process(self):
        print("process")
        (self.processed_dir / "words.txt").write_text(self.change((self.raw_dir / "words.txt").read_text()))

    def change(self, text):
        return change(text)

if __name__ == "__main__":
    print(Words("data").build())
"""


@pytest.mark.parametrize(
    ("old", "new", "calls", "why"),
    [
        ("return text.upper()", "return text.title()", ["process"], "code of words.change changed"),
        ("return change(text)", "return change(text) + '.'", ["process"], "code of words.Words.change changed"),
        ("return text.upper()", "# loud\n    return (text\n      .upper())", [], ""),
        ('write_text("one")', 'write_text("two")', ["get_raw", "process"], "code of words.Words.get_raw changed"),
    ],
)
def test_an_edit_builds_what_it_changes_and_says_why(tmp_path, old, new, calls, why):
    def run() -> list[str]:
        ran = subprocess.run(
            [sys.executable, "words.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        return ran.stdout.splitlines()

    (tmp_path / "words.py").write_text(MODULE)
    assert run()[:2] == ["get_raw", "process"]
    (tmp_path / "words.py").write_text(MODULE.replace(old, new))
    lines = run()
    assert [line for line in lines if line in ("get_raw", "process")] == calls
    assert why in "\n".join(lines)


KILLED = """
import sys, time
from tintype import Dataset

class Slow(Dataset):
    def get_raw(self):
        (self.raw_dir / "a.txt").write_text("a")
        if len(sys.argv) > 1:
            print("half done", flush=True)
            time.sleep(60)
        (self.raw_dir / "b.txt").write_text("b")

Slow("data").build()
"""


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_get_raw_that_is_killed_is_not_taken_for_done(tmp_path, kind):
    (tmp_path / "slow.py").write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, "slow.py", "slowly"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half done\n"
    process.send_signal(kind)
    assert process.wait(timeout=30) != 0
    process.stdout.close()
    assert not (tmp_path / "data" / "raw").exists()
    subprocess.run([sys.executable, "slow.py"], cwd=tmp_path, check=True, timeout=60)
    assert tree(tmp_path / "data" / "raw") == {"a.txt": b"a", "b.txt": b"b"}
    assert DirectoryTarget(tmp_path / "data" / "raw").verify(deep=True).ok


def test_what_is_being_built_elsewhere_is_left_alone(tmp_path):
    words = Words(tmp_path)
    recipe = words._recipe("raw", words._code("raw"))
    with (
        Staging(tmp_path / "raw", recipe),
        pytest.raises(StagingLockedError, match="raw is being built by process"),
    ):
        words.build()
    assert CALLS == []


def test_of_two_threads_one_builds(tmp_path):
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Dataset):
        def get_raw(self):
            inside.set()
            assert go_on.wait(30)
            (self.raw_dir / "a.txt").write_text("a")

    thread = threading.Thread(target=Slow(tmp_path).build)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(StagingLockedError, match="is being built"):
        Slow(tmp_path).build()
    go_on.set()
    thread.join()
    assert states(Slow(tmp_path).build()) == ("kept", "not defined")


class Pooled(Dataset):
    """Writes from other processes."""

    def get_raw(self):
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(self.write_one, range(3)))

    def write_one(self, number):
        (self.raw_dir / f"{number}.txt").write_text(str(number))


def test_worker_processes_write_into_the_folder_that_is_being_filled(tmp_path):
    Pooled(tmp_path).build()
    assert tree(tmp_path / "raw") == {f"{number}.txt": str(number).encode() for number in range(3)}
    assert pickle.loads(pickle.dumps(Pooled(tmp_path))).raw_dir == tmp_path / "raw"


def test_zero_files_and_many(tmp_path, caplog):
    class Many(Dataset):
        n = 0

        def get_raw(self):
            for number in range(self.n):
                (self.raw_dir / f"{number}.txt").write_text(str(number))

    Many(tmp_path).build()
    assert "Many.get_raw wrote no files" in caplog.text
    many = Many(tmp_path)
    many.n = 500
    assert many.build().raw.state == "built"
    assert DirectoryTarget(tmp_path / "raw").verify(deep=True).n_files == 500


def test_who_writes_to_the_final_place_is_told(tmp_path):
    class Early(Dataset):
        def __init__(self, base_dir):
            super().__init__(base_dir)
            self.place = self.raw_dir / "a.txt"

        def get_raw(self):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self.place.write_text("a")

    with pytest.raises(StrayDirectoryError, match=r"Early.get_raw wrote to .*raw itself.*not as they were in __init__"):
        Early(tmp_path).build()


def test_another_ones_directory_and_those_of_luigi_stages_are_not_replaced(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine.txt").write_text("mine")
    with pytest.raises(StrayDirectoryError, match="tintype did not make it"):
        Words(tmp_path).build()
    (tmp_path / "raw" / "mine.txt").unlink()
    words = Words(tmp_path)
    words.build()
    words.text = "other"
    stage = tintype.raw.ImportFolder(folder=str(tmp_path / "in"), base_dir=str(tmp_path))
    (tmp_path / "in").mkdir()
    for name, is_built in (("no\udcff.txt", False), ("a.txt", True)):
        (tmp_path / "in" / name).write_text("a")
        assert tintype.rebuild(stage).ok == is_built
        with pytest.raises(StrayDirectoryError, match=r"holds \.?ImportFolder.*, which a Luigi stage has built"):
            words.build()
        (tmp_path / "in" / name).unlink()


def test_explain_changes_nothing(tmp_path):
    words = Words(tmp_path)
    looked = words.explain()
    assert states(looked) == ("would be built", "would be built")
    assert "raw: would be built (never built)" in str(looked)
    assert not any(tmp_path.iterdir())
    assert CALLS == []


# Ready-made ones


class Pets(S3TarfileDataset):
    def process(self):
        CALLS.append("process")
        for path in self.raw_dir.rglob("*.txt"):
            (self.processed_dir / path.name).write_bytes(path.read_bytes())


def test_a_tar_in_s3_is_extracted_and_kept(s3, tmp_path):
    s3.put("2024/pets.tar.gz", compress(make_tar(), "gz"))
    pets = Pets(tmp_path / "data", "photos", "2024/pets.tar.gz")
    assert states(pets.build()) == ("built", "built")
    assert tree(tmp_path / "data" / "raw") == FILES
    assert set(tree(tmp_path / "data" / "processed")) == {"1.txt", "2.txt", "3.txt", "top.txt"}
    s3.forget()
    assert states(Pets(tmp_path / "data", "photos", "2024/pets.tar.gz").build()) == ("kept", "kept")
    assert s3.calls["GetObject"] == 0
    assert CALLS == ["process"]


def test_get_raw_alone_extracts_and_process_is_for_the_user(s3, tmp_path):
    s3.put("pets.tar", make_tar())
    pets = S3TarfileDataset(tmp_path / "data", "photos", "pets.tar")
    pets.get_raw()
    assert tree(tmp_path / "data" / "raw") == FILES
    with pytest.raises(NotImplementedError, match="S3TarfileDataset has no process"):
        pets.process()
    assert states(pets.build()) == ("kept", "not defined")


def test_a_changed_archive_is_extracted_anew_and_one_that_is_gone_leaves_all_as_it_is(s3, tmp_path):
    s3.put("pets.tar", make_tar())
    Pets(tmp_path / "data", "photos", "pets.tar").build()
    s3.put("pets.tar", make_tar([("new.txt", b"new")]))
    report = Pets(tmp_path / "data", "photos", "pets.tar").build()
    assert (states(report), reasons(report.raw)) == (("built", "built"), ["input archive changed"])
    assert tree(tmp_path / "data" / "raw") == {"new.txt": b"new"}
    from tintype.load_funcs.s3 import make_s3_client

    make_s3_client().delete_object(Bucket="photos", Key="pets.tar")
    assert states(Pets(tmp_path / "data", "photos", "pets.tar").build()) == ("kept", "kept")


def test_a_hostile_archive_and_one_that_is_not_there_publish_nothing(s3, tmp_path):
    s3.put("evil.tar", make_tar(extra=tar_entry("../../evil.txt", b"evil")))
    with pytest.raises(TooManyFailuresError, match=r"\.\./\.\./evil.txt"):
        S3TarfileDataset(tmp_path / "data", "photos", "evil.tar").build()
    with pytest.raises(SourceNotFoundError, match=r"s3://photos/none\.tar is not there"):
        S3TarfileDataset(tmp_path / "data", "photos", "none.tar").build()
    assert not (tmp_path / "data" / "raw").exists()
    assert not list(tmp_path.rglob("evil.txt"))


def test_files_can_be_added_to_what_a_ready_made_dataset_brings_in(s3, tmp_path):
    class Labelled(S3TarfileDataset):
        def get_raw(self):
            super().get_raw()
            (self.raw_dir / "labels").mkdir()
            (self.raw_dir / "labels" / "labels.csv").write_text("a,b")

    s3.put("pets.tar", make_tar())
    Labelled(tmp_path / "data", "photos", "pets.tar").build()
    assert tree(tmp_path / "data" / "raw") == {**FILES, "labels/labels.csv": b"a,b"}
    target = DirectoryTarget(tmp_path / "data" / "raw")
    assert target.verify(deep=True).ok
    assert {row["outpath"]: row["label"] for row in target.manifest().rows()}["labels/labels.csv"] == "labels"


def test_the_parts_combine_in_a_get_raw_of_ones_own(s3, tmp_path):
    class TwoArchives(Dataset):
        def get_raw(self):
            for key in ("a.tar", "deep/b.tar.gz"):
                archive = S3Downloader("photos", key)(self.interim_dir)
                CALLS.extend(path.name for path in TarfileExtractor()(archive, self.raw_dir))
                archive.unlink()

    s3.put("a.tar", make_tar([("a/1.txt", b"1"), (".hidden", b"")]))
    s3.put("deep/b.tar.gz", compress(make_tar([("b/2.txt", b"2")]), "gz"))
    TwoArchives(tmp_path / "data").build()
    assert tree(tmp_path / "data" / "raw") == {"a/1.txt": b"1", "b/2.txt": b"2"}
    assert CALLS == ["1.txt", "2.txt"]
    assert list((tmp_path / "data" / "interim").iterdir()) == []


def test_a_downloader_leaves_nothing_when_there_is_no_such_object(s3, tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"photos/none\.tar is not there"):
        S3Downloader("photos", "none.tar")(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(SettingsError, match="the key 'cats/' names no file"):
        S3Downloader("photos", "cats/")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (tar_entry("../evil.txt", b"evil"), r"\.\./evil.txt"),
        (tar_entry("/etc/evil.txt", b"evil"), "evil.txt"),
        (tar_entry("link", kind=tarfile.SYMTYPE, link="/etc/passwd"), "link"),
        (tar_entry("top.txt", b"again"), "top.txt is in .* twice"),
    ],
)
def test_an_extractor_takes_nothing_that_leads_out_or_is_there_twice(tmp_path, extra, words):
    (tmp_path / "evil.tar").write_bytes(make_tar(extra=extra))
    with pytest.raises(MemberError, match=words):
        TarfileExtractor()(tmp_path / "evil.tar", tmp_path / "deep" / "raw")
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.fixture
def server():
    with fault_server() as server:
        server.files = {f"/{name}.txt": name.encode() for name in "abc"}
        yield server


class Urls(UrlListDataset):
    policy = FetchPolicy(max_attempts=1, backoff_seconds=0.0)

    def process(self):
        (self.processed_dir / "all.txt").write_bytes(
            b"".join(p.read_bytes() for p in sorted(self.raw_dir.glob("*.txt")))
        )


def test_a_list_of_urls_is_downloaded_and_only_new_ones_when_it_grows(server, tmp_path):
    urls = [f"{server.url}/a.txt", f"{server.url}/b.txt"]
    assert states(Urls(tmp_path, iter(urls)).build()) == ("built", "built")
    assert tree(tmp_path / "raw") == {"a.txt": b"a", "b.txt": b"b"}
    assert states(Urls(tmp_path, urls).build()) == ("kept", "kept")
    urls.append(f"{server.url}/c.txt")
    report = Urls(tmp_path, urls).build()
    assert (states(report), reasons(report.raw)) == (("built", "built"), ["input urls changed"])
    assert dict(server.requests) == {"/a.txt": 1, "/b.txt": 1, "/c.txt": 1}
    assert tree(tmp_path / "processed") == {"all.txt": b"abc"}
    assert DirectoryTarget(tmp_path / "raw").verify(deep=True).ok
    row = next(iter(DirectoryTarget(tmp_path / "raw").manifest().rows()))
    assert (row["url"], row["http_status"]) == (urls[0], 200)


def test_a_list_in_a_file_places_files_by_its_columns(server, tmp_path):
    (tmp_path / "urls.csv").write_text(f"url,label\n{server.url}/a.txt,x\n{server.url}/b.txt,y\n")
    Urls(tmp_path / "data", tmp_path / "urls.csv", path_template="{label}/{name}").build()
    assert set(tree(tmp_path / "data" / "raw")) == {"x/a.txt", "y/b.txt"}
    report = Urls(tmp_path / "data", tmp_path / "urls.csv", path_template="{name}").build()
    assert reasons(report.raw) == ['path_template changed from "{label}/{name}" to "{name}"']


def test_urls_that_fail_are_rows_or_publish_nothing_and_what_was_fetched_is_kept(server, tmp_path):
    urls = [f"{server.url}/{name}.txt" for name in "abx"]
    with pytest.raises(TooManyFailuresError, match=r"1 of 3 files failed.*x\.txt.*404"):
        Urls(tmp_path, urls).build()
    assert not (tmp_path / "raw").exists()

    class Tolerant(Urls):
        max_failure_rate = 0.5

    with pytest.raises(TooManyFailuresError, match="1 of 3"):
        Urls(tmp_path, urls).build()
    assert server.requests["/a.txt"] == 1  # waited in staging
    report = Tolerant(tmp_path, urls).build()
    assert "1 inputs failed" in str(report.raw)


@pytest.mark.parametrize("url", ["", "  ", "# no", "http://a/b\nhttp://c/d", 3])
def test_what_is_no_url_is_named(tmp_path, url):
    with pytest.raises(SettingsError, match="among the URLs is none: give each as text"):
        UrlListDataset(tmp_path, [url]).build()


def test_a_folder_is_imported_file_by_file(tmp_path, photographs):
    class Photos(FolderDataset):
        patterns = ("*.png",)
        n_kept = 1

        def process(self):
            for path in sorted(self.raw_dir.rglob("*.png"))[: self.n_kept]:
                (self.processed_dir / path.name).write_bytes(path.read_bytes())

    assert states(Photos(tmp_path / "data", photographs).build()) == ("built", "built")
    assert set(tree(tmp_path / "data" / "raw")) == {
        str(path.relative_to(photographs)) for path in photographs.rglob("*.png")
    }
    assert states(Photos(tmp_path / "data", photographs).build()) == ("kept", "kept")
    labels = {row["label"] for row in DirectoryTarget(tmp_path / "data" / "raw").manifest().rows()}
    assert {"cats", "people"} <= labels


def test_of_a_folder_that_changed_only_new_files_are_copied(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.txt").write_text("a")
    FolderDataset(tmp_path / "data", source).get_raw()
    (source / "b.txt").write_text("b")
    FolderDataset(tmp_path / "data", source).get_raw()
    rows = {row["outpath"]: row["status"] for row in DirectoryTarget(tmp_path / "data" / "raw").manifest().rows()}
    assert rows == {"a.txt": "reused", "b.txt": "written"}
    for path in source.iterdir():
        path.unlink()
    source.rmdir()
    assert states(FolderDataset(tmp_path / "data", source).build()) == ("kept", "not defined")


def test_the_public_names_are_in_the_package():
    assert tintype.Dataset is Dataset
    assert tintype.S3TarfileDataset is S3TarfileDataset
    assert os.path.basename(str(tintype.FolderDataset.__module__)) == "tintype.datasets.ready_made"


def test_the_how_to_page_runs(tmp_path, photographs):
    page = Path(__file__).parents[1] / "docs" / "how-to" / "datasets-without-luigi.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "page.py").write_text("\n\n".join(blocks))
    (tmp_path / "photos").symlink_to(photographs)
    ran = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert [line.split(" (")[0] for line in ran.stdout.splitlines()] == [
        "data/raw: built, 8 files",
        "data/processed: built, 8 files",
        "data/raw: kept, 8 files",
        "data/processed: kept, 8 files",
    ]
