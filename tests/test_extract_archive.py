"""Behaviour of tintype.raw.ExtractArchive, and of what it needs of staging: built, resumed, refused."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import luigi
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from tests.archive_builders import FILES, compress, make_tar, make_zip, pax_tar, tar_entry, zip_link

from tintype import FileStage, Pipeline
from tintype.errors import (
    ArchiveError,
    CollisionError,
    SettingsError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    StagingError,
    TooManyFailuresError,
)
from tintype.load_funcs import load_bytes, resuming
from tintype.raw import ExtractArchive
from tintype.raw import extract_archive as module
from tintype.raw.archive_sources import ArchiveState, HttpSource, find_source
from tintype.recipe import Keep, Rebuild, Recipe
from tintype.targets.path_index import PathIndex
from tintype.targets.staging import Staging
from tintype.write_funcs import write_bytes

N_KILLS = int(os.environ.get("TINTYPE_TEST_KILLS", "4"))


@pytest.fixture(autouse=True)
def _quick(_clean_luigi: None, monkeypatch: pytest.MonkeyPatch) -> None:
    get_config().set("tintype", "durable", "false")
    get_config().set("tintype", "progress", "none")
    monkeypatch.setattr(resuming, "FIRST_WAIT_SECONDS", 0.0)


class Pets(ExtractArchive):
    archive = luigi.Parameter(default="pets.tar.gz")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(data: bytes, name: str = "pets.tar.gz") -> None:
    """Put an archive into the current folder, with a time of change of its own."""
    Path(name).write_bytes(data)


def tree(top: str | Path) -> dict[str, bytes]:
    return {str(p.relative_to(top)): p.read_bytes() for p in Path(top).rglob("*") if p.is_file()}


def rows(task: luigi.Task) -> dict[str, dict[str, Any]]:
    return {row["inpath"]: row for row in task.output().manifest().rows()}


# What is published


@pytest.mark.parametrize("files", [{}, {"a/1.txt": b"1"}, FILES], ids=["zero", "one", "many"])
@pytest.mark.parametrize("kind", ["plain", "gz", "zst", "zip"])
def test_the_files_of_an_archive_are_published_with_their_labels(folder, kind, files):
    put(make_zip(files.items()) if kind == "zip" else compress(make_tar(files.items()), kind))
    task = Pets()
    task.run()
    assert task.complete()
    found = rows(task)
    assert list(found) == list(files)
    for name, data in files.items():
        assert found[name]["outpath"] == name
        assert found[name]["digest"] == hashlib.sha256(data).hexdigest()
        assert found[name]["size_bytes"] == len(data)
        assert found[name]["label"] == {"cats": "cats", "dogs": "deep", "top.txt": None, "a": "a"}[name.split("/")[0]]
    assert task.output().verify(deep=True).ok
    assert not list(folder.glob("data/raw/.*"))


def test_no_bytes_are_read_back_to_be_hashed(folder, monkeypatch):
    put(make_tar())
    monkeypatch.setattr("tintype.targets.staging.hash_file", None)
    Pets().run()


def test_hidden_files_and_those_of_macos_are_left_out_and_patterns_choose(folder):
    names = ["a.jpg", "._a.jpg", "__MACOSX/a.jpg", ".git/config", "x/.hidden/y.jpg", "b.txt", "x/B.JPG", "x/c.jpg"]
    put(make_tar((name, b"1") for name in names))

    class Jpegs(Pets):
        patterns = ("*.jpg",)
        exclude = (*Pets.exclude, "x/c.*")

    Pets().run()
    Jpegs().run()
    assert sorted(rows(Pets())) == ["a.jpg", "b.txt", "x/B.JPG", "x/c.jpg"]
    assert sorted(rows(Jpegs())) == ["a.jpg", "x/B.JPG"]


def test_label_and_path_can_be_overridden(folder):
    class Flat(Pets):
        def label(self, inpath):
            return inpath.partition("/")[0]

        def outpath(self, inpath):
            return inpath.replace("/", "-")

    put(make_tar())
    Flat().run()
    assert {row["outpath"]: row["label"] for row in rows(Flat()).values()} == {
        "cats-1.txt": "cats", "cats-2.txt": "cats", "dogs-deep-3.txt": "dogs", "top.txt": "top.txt",
    }  # fmt: skip


@requires(Pets)
class Shouts(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, bytes.upper, write_bytes)


def test_the_next_stage_reads_what_was_extracted_and_carries_its_label(folder):
    put(make_tar())
    Pets().run()
    Shouts().run()
    assert Path("data/interim/Shouts/cats/1.txt").read_bytes() == b"ONE"
    assert rows(Shouts())["dogs/deep/3.txt"]["label"] == "deep"


# When it is extracted again


def test_an_archive_that_changed_is_extracted_again_and_one_that_is_gone_stays(folder, caplog):
    put(make_tar())
    Pets().run()
    os.rename("pets.tar.gz", "elsewhere")
    assert Pets().complete()
    assert "does not exist" in caplog.text
    assert "stays as it was extracted" in caplog.text
    put(make_tar([("new.txt", b"new")]))
    assert not Pets().complete()
    Pets().run()
    assert set(rows(Pets())) == {"new.txt"}


def test_an_archive_that_was_moved_is_the_same_one(folder):
    put(make_tar())
    Pets().run()
    os.mkdir("moved")
    os.rename("pets.tar.gz", "moved/pets.tar.gz")

    class Moved(Pets):
        task_family = "Pets"
        triggers = ("version", "parameters", "inputs")  # it is another class, after all
        archive = luigi.Parameter(default="moved/pets.tar.gz")

        @classmethod
        def get_task_family(cls):
            return "Pets"

    assert isinstance(Moved().decide(), Keep)


def test_a_source_that_need_not_be_checked_is_not(folder, monkeypatch):
    put(make_tar())
    monkeypatch.setattr(Pets, "check_source", False)
    Pets().run()
    put(make_tar([("new.txt", b"new")]))
    assert Pets().complete()


def test_limits_and_rates_are_in_no_recipe(folder, monkeypatch):
    put(make_tar())
    Pets().run()
    monkeypatch.setattr(Pets, "max_members", 7)
    monkeypatch.setattr(Pets, "max_failure_rate", 0.5)
    assert Pets().complete()
    monkeypatch.setattr(Pets, "patterns", ("*.txt",))
    assert isinstance(Pets().decide(), Rebuild)


def test_an_archive_that_was_never_there_is_told(folder):
    with pytest.raises(SourceNotFoundError, match=r"the archive 'pets.tar.gz' does not exist \(looked in "):
        Pets().run()
    assert not Path("data/raw/Pets").exists()


def test_a_file_that_changes_while_it_is_read_is_not_published(folder, monkeypatch):
    put(make_tar())
    wrapped = module.write_chunks

    def change_first(chunks, path):
        os.utime("pets.tar.gz", ns=(1, 1))
        return wrapped(chunks, path)

    monkeypatch.setattr(module, "write_chunks", change_first)
    with pytest.raises(SourceChangedError, match=r"the archive 'pets.tar.gz' changed while it was read: run again"):
        Pets().run()
    assert not Path("data/raw/Pets").exists()


# Hostile archives

HOSTILE = {
    "leads out": make_tar([("../evil.txt", b"1")]),
    "absolute": make_tar([("/tmp/tintype-evil.txt", b"1")]),
    "NUL": pax_tar("x\0y"),
    "not UTF-8": make_tar([], tar_entry(b"caf\xe9", b"1")),
    "twice": make_tar([("a.txt", b"1"), ("a.txt", b"2")]),
    "case of letters": make_tar([("a.txt", b"1"), ("A.TXT", b"2")]),
    "accents": make_tar([("\u00e9.txt", b"1"), ("e\u0301.txt", b"2")]),
    "symbolic link": make_tar([], tar_entry("a", kind=tarfile.SYMTYPE, link="..") + tar_entry("a/evil.txt", b"1")),
    "hard link": make_tar([], tar_entry("a", kind=tarfile.LNKTYPE, link="../../secret")),
    "device": make_tar([], tar_entry("a", kind=tarfile.CHRTYPE)),
    "Not a directory": make_tar([("a", b"1"), ("a/b", b"2")]),
    "a folder or device has this name": make_tar([("a/b", b"1"), ("a", b"2")]),
    "link: it is not followed": make_zip([zip_link("a"), ("a/evil.txt", b"1")]),
    "leads out with": make_zip([("x/../../../evil.txt", b"1")]),
    "in the archive twice": make_zip([("a.txt", b"1"), ("b.txt", b"2")]).replace(b"b.txt", b"a.txt"),
    "keeps for itself": make_tar([("_stamp.json", b"{}")]),
}


@pytest.mark.parametrize(("words", "data"), HOSTILE.items(), ids=list(HOSTILE))
def test_a_hostile_member_is_one_failed_row_nothing_is_published_and_nothing_written_outside(folder, words, data):
    (folder / "home").mkdir()
    os.chdir("home")
    put(data)
    put(b"secret", "secret")
    before = tree(folder)
    with pytest.raises(
        TooManyFailuresError, match=r"1 of \d files failed, so data/raw/Pets was not published"
    ) as caught:
        Pets().run()
    assert words in str(caught.value)
    assert not Path("data/raw/Pets").exists()
    after = tree(folder)
    assert {name for name in after if name not in before} <= {n for n in after if n.startswith("home/data/raw/.Pets")}
    assert all(after[name] == data for name, data in before.items())
    assert not Path("/tmp/tintype-evil.txt").exists()
    links = [p for p in folder.rglob("*") if p.is_symlink()]
    assert links == []


@pytest.mark.parametrize("words", HOSTILE)
def test_with_failures_allowed_the_rest_is_published_and_the_row_says_why(folder, words, monkeypatch):
    monkeypatch.setattr(Pets, "max_failure_rate", 1.0)
    put(HOSTILE[words])
    Pets().run()
    failed = [row for row in Pets().output().manifest().rows() if row["status"] == "failed"]
    assert len(failed) == 1
    assert words in failed[0]["error"]
    assert failed[0]["outpath"] is None
    assert Pets().output().verify(deep=True).ok
    assert Pets().complete()
    monkeypatch.setattr(Pets, "max_failure_rate", 0.0)
    assert "inputs failed, more than max_failure_rate" in str(Pets().decide())


def test_links_can_be_rows_that_are_no_failures(folder, monkeypatch):
    monkeypatch.setattr(Pets, "special_members", "record")
    put(make_tar([("a.txt", b"1")], tar_entry("l", kind=tarfile.SYMTYPE, link="a.txt")))
    Pets().run()
    row = rows(Pets())["l"]
    assert (row["status"], row["outpath"]) == ("dropped", None)
    assert row["error"] == "l is a symbolic link to a.txt: it is not followed"


def test_links_that_are_not_wanted_are_no_failures(folder, monkeypatch):
    monkeypatch.setattr(Pets, "patterns", ("*.txt",))
    put(make_tar([("a.txt", b"1")], tar_entry("l", kind=tarfile.SYMTYPE, link="a.txt")))
    Pets().run()
    assert list(rows(Pets())) == ["a.txt"]


def test_names_that_differ_in_case_can_be_allowed(folder, monkeypatch):
    monkeypatch.setattr(Pets, "allow_names_that_differ_in_case", True)
    put(make_tar([("a.txt", b"1"), ("A.TXT", b"2")]))
    Pets().run()
    assert set(rows(Pets())) == {"a.txt", "A.TXT"}


def test_a_parameter_with_a_wrong_value_is_told(folder, monkeypatch):
    monkeypatch.setattr(Pets, "special_members", "follow")
    put(make_tar())
    with pytest.raises(SettingsError, match=r"Pets.special_members is 'follow': give 'fail' or 'record'"):
        Pets().run()


def test_an_archive_full_of_bad_members_stops_early(folder):
    put(make_tar((f"../{n}", b"") for n in range(1000)))
    with pytest.raises(TooManyFailuresError, match="the first 20 of 20 files all failed"):
        Pets().run()


def test_failures_are_shown_by_the_command_the_message_names(folder, capsys):
    from tintype.cli.main import main

    put(HOSTILE["twice"])
    with pytest.raises(TooManyFailuresError, match="tintype show --failed data/raw/Pets"):
        Pets().run()
    assert main(["show", "--failed", "data/raw/Pets"]) == 0
    assert "a.txt is in the archive twice: only the first is taken" in capsys.readouterr().out


def test_a_broken_archive_stops_the_stage_and_keeps_what_is_finished(folder):
    put(make_tar([(f"{n}.txt", b"x" * 600) for n in range(10)])[:9000])
    with pytest.raises(ArchiveError, match="cut off"):
        Pets().run()
    assert not Path("data/raw/Pets").exists()
    assert set(tree("data/raw/.Pets.staging/files")) == {f"{n}.txt" for n in range(6)}


def test_a_full_disk_stops_the_stage_with_its_cure(folder, monkeypatch):
    put(make_tar())

    def full(descriptor, data, name):
        raise OSError(28, "No space left on device", name)

    monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(StagingError, match=r"No space left on device while cats/1.txt was extracted .*make room"):
        Pets().run()


# Resume

BUILD = """
import sys, luigi
from tintype.raw import ExtractArchive
from tintype.raw import extract_archive as module

wrapped = module.write_chunks
def write_chunks(chunks, path):
    result = wrapped(chunks, path)
    with open("written.log", "a") as log:
        log.write(path.rpartition("/files/")[2] + "\\n")
    return result
module.write_chunks = write_chunks

class Pets(ExtractArchive):
    archive = "pets.tar.gz"

print("ready", flush=True)
sys.exit(0 if luigi.build([Pets()], local_scheduler=True, log_level="WARNING") else 1)
"""


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_killed_extraction_resumes_and_writes_no_finished_file_again(folder, kind):
    files = {f"{n % 7}/{n}.txt": random.Random(n).randbytes(2000) for n in range(300 + 400 * N_KILLS)}
    put(make_zip(files.items()) if kind == "zip" else compress(make_tar(files.items()), kind))
    chance = random.Random(7)
    n_written = 0
    staging = Path("data/raw/.Pets.staging")
    for _ in range(N_KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        wanted = n_written + chance.randrange(100, 300)
        while len(read_log()) < wanted and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        process.stdout.close()
        assert not Path("data/raw/Pets").exists()
        n_written = len(read_log())
    assert staging.is_dir()
    command = [sys.executable, "-c", BUILD]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert tree("data/raw/Pets").items() >= files.items()
    assert Pets().output().verify(deep=True).ok
    assert list(Pets().output().manifest().to_pandas()["outpath"].sort_values()) == sorted(files)
    # What a kill may lose is what the journal had not written yet: 20 ms of work.
    n_again = len(read_log()) - len(files)
    assert n_again < N_KILLS * 300
    n_first = len(set(read_log()[:n_written]))
    assert len(read_log()) - n_written <= len(files) - n_first + 300


def read_log() -> list[str]:
    path = Path("written.log")
    return path.read_text().splitlines() if path.exists() else []


def test_a_resumed_extraction_gives_the_same_digest_and_finds_the_same_failures(folder, monkeypatch):
    files = [(f"{n}.txt", b"%d" % n) for n in range(30)]
    put(make_tar(files[:20], tar_entry("../x", b"1") + tar_entry("3.txt", b"2") + b"".join(map_entries(files[20:]))))
    with pytest.raises(TooManyFailuresError, match="2 of 32 files failed"):
        Pets().run()
    monkeypatch.setattr(module, "write_chunks", None)  # nothing is written again
    with pytest.raises(TooManyFailuresError, match="2 of 32 files failed"):
        Pets().run()
    monkeypatch.setattr(Pets, "max_failure_rate", 0.1)
    Pets().run()
    resumed = Pets().output().stamp()
    assert resumed is not None
    assert resumed.statuses == {"failed": 2, "written": 30}
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Pets, "max_failure_rate", 0.1)
    fresh = Pets(base_dir="other")
    fresh.run()
    stamp = fresh.output().stamp()
    assert stamp is not None
    assert stamp.digest == resumed.digest


def map_entries(files):
    return (tar_entry(name, data) for name, data in files)


def test_a_changed_archive_is_not_resumed_from(folder):
    put(make_tar([("a.txt", b"1"), ("../x", b"")]))
    with pytest.raises(TooManyFailuresError, match="1 of 2"):
        Pets().run()
    put(make_tar([("a.txt", b"2 and longer")]))
    Pets().run()
    assert Path("data/raw/Pets/a.txt").read_bytes() == b"2 and longer"


def test_ctrl_c_keeps_what_is_finished(folder, monkeypatch):
    put(make_tar())
    wrapped = module.write_chunks
    done: list[str] = []
    stop_after = [2]

    def write(chunks, path):
        if stop_after == [len(done)]:
            raise KeyboardInterrupt("Ctrl-C")
        done.append(path)
        return wrapped(chunks, path)

    monkeypatch.setattr(module, "write_chunks", write)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        Pets().run()
    stop_after.clear()
    Pets().run()
    assert len(done) == len(set(done)) == 4


# Over HTTP


class ArchiveHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    data: ClassVar[bytes] = b""
    etag: ClassVar[str] = '"1"'
    url: ClassVar[str] = ""
    knows_ranges: ClassVar[bool] = True
    knows_head: ClassVar[bool] = True
    drop_after: ClassVar[list[int]] = []
    statuses: ClassVar[dict[str, int]] = {}
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        cls = type(self)
        wanted = self.headers.get("Range")
        cls.seen.append((self.command, wanted))
        status = cls.statuses.get(self.command, 200)
        start, stop = 0, len(cls.data)
        if status == 200 and wanted and cls.knows_ranges:
            status = 206
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first)
            stop = int(last) + 1 if last else stop
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "/again" + self.path)
        self.send_header("ETag", cls.etag)
        body = cls.data[start:stop] if status < 300 else b""
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(cls.data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            if cls.drop_after and len(body) > 1:
                self.wfile.write(body[: cls.drop_after.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(body)


@pytest.fixture
def server(folder):
    class Handler(ArchiveHandler):
        drop_after: ClassVar[list[int]] = []
        statuses: ClassVar[dict[str, int]] = {}
        seen: ClassVar[list[tuple[str, str | None]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        Handler.url = f"http://127.0.0.1:{http.server_port}/pets.tar.gz"
        Handler.data = compress(make_tar(), "gz")
        yield Handler
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_an_archive_is_streamed_from_a_web_server_and_not_kept(server, kind):
    if kind == "zip":
        server.data = make_zip()
    task = Pets(archive=server.url)
    task.run()
    assert tree(task.output().path).items() >= FILES.items()
    assert server.seen == [("HEAD", None), ("GET", None)]
    assert task.complete()
    server.etag = '"2"'
    assert not task.complete()


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_dropped_connection_is_taken_up_where_it_was(server, knows_ranges):
    server.data = make_tar([("big.bin", os.urandom(300_000)), ("after.txt", b"!")])
    server.knows_ranges = knows_ranges
    server.drop_after[:] = [100_000, 50_000 if knows_ranges else 150_000, 1]
    task = Pets(archive=server.url)
    task.run()
    assert task.output().verify(deep=True).ok
    gets = [wanted for method, wanted in server.seen if method == "GET"]
    assert gets == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-" if knows_ranges else "bytes=150000-"]


def test_a_server_that_drops_again_and_again_is_given_up(server):
    server.drop_after[:] = [10] + [0] * 10
    with pytest.raises(SourceUnreachableError, match=r"pets.tar.gz(: the connection broke| ended after 10 of)"):
        Pets(archive=server.url).run()
    assert len(server.seen) == 1 + resuming.MAX_DROPS


def test_a_file_that_changes_behind_a_dropped_connection_is_an_error(server, monkeypatch):
    server.drop_after[:] = [50]
    wrapped = HttpSource._check_same

    def change(self, found, state):
        wrapped(self, found, state)
        server.etag = '"2"'

    monkeypatch.setattr(HttpSource, "_check_same", change)
    with pytest.raises(SourceChangedError, match=r"pets.tar.gz changed while it was read"):
        Pets(archive=server.url).run()


def test_a_server_without_head_is_asked_for_one_byte(server):
    server.statuses["HEAD"] = 405
    source = find_source(server.url)
    assert source.describe() == ArchiveState("pets.tar.gz", len(server.data), '"1"')
    assert server.seen == [("HEAD", None), ("GET", "bytes=0-0")]


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, SourceNotFoundError, "the server says 404 Not Found: correct the address"),
        (410, SourceNotFoundError, "the server says 410 Gone"),
        (401, SourceError, "the server says 401 Unauthorized"),
        (503, SourceUnreachableError, "the server says 503 Service Unavailable: run again later"),
        (302, SourceError, "is redirected more than 10 times"),
    ],
)
def test_what_a_server_refuses_is_one_sentence(server, status, kind, words):
    server.statuses.update(HEAD=status, GET=status)
    with pytest.raises(kind, match=words):
        Pets(archive=server.url).run()


def test_what_was_extracted_stays_when_the_server_is_gone_and_a_signature_is_not_shown(server, caplog):
    url = f"{server.url}?signature=secret"
    task = Pets(archive=url)
    task.run()
    server.statuses.update(HEAD=503, GET=503)
    assert task.complete()
    assert "stays as it was extracted" in caplog.text
    assert "secret" not in caplog.text.replace(task.output().path, "").replace("signature%3Dsecret", "")


def test_a_closed_port_is_told(folder):
    with pytest.raises(SourceUnreachableError, match=r"http://127.0.0.1:9/x.tar cannot be reached"):
        find_source("http://127.0.0.1:9/x.tar").describe()


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        ("ftp://host/a.tar", "an archive cannot be read from ftp://"),
        ("http://me:secret@host/a.tar", r"the URL of host/a.tar holds a user name or password"),
        ("s3://bucket", "'s3://bucket' names no S3 object: give s3://bucket/key"),
    ],
)
def test_an_archive_that_cannot_be_read_from_is_told(archive, words):
    with pytest.raises(SettingsError, match=words) as caught:
        find_source(archive)
    assert "secret" not in str(caught.value)


def test_a_path_luigi_took_a_slash_from_is_an_s3_url():
    assert find_source("s3:/bucket/a/b.tar").name == "s3://bucket/a/b.tar"


# Staging


@pytest.fixture
def staging(folder):
    with Staging(folder / "data", Recipe("Test", "1")) as opened:
        yield opened


def test_a_digest_that_is_given_is_taken_and_nothing_read(staging):
    staging.add("not/there.txt", digest="0" * 64, size_bytes=7)
    staging.added.flush()
    [row] = staging.added.results()
    assert (row.digest, row.size_bytes) == ("0" * 64, 7)


def test_a_file_added_twice_is_refused_whether_an_earlier_run_had_it_or_not(folder):
    recipe = Recipe("Test", "1")
    with Staging(folder / "data", recipe) as first:
        (first.files / "a").write_text("1")
        first.add("a")
        with pytest.raises(CollisionError, match="a was added twice"):
            first.add("a")
    with Staging(folder / "data", recipe) as second:
        assert second.is_finished("a")
        second.add("a")
        with pytest.raises(CollisionError, match="a was added twice"):
            second.add("a")
        assert len(list(second.added.results())) == 1


def test_rows_that_are_forgotten_give_their_numbers_to_nobody(folder):
    recipe = Recipe("Test", "1")
    with Staging(folder / "data", recipe) as first:
        for name in "abc":
            (first.files / name).write_text(name)
            first.add(name)
        first.add_failed("bad", ValueError("no"))
    os.unlink(folder / ".data.staging/files/a")
    with Staging(folder / "data", recipe) as second:
        assert [second.is_finished(name) for name in "abc"] == [False, True, True]
        for name in "ad":
            (second.files / name).write_text(name)
            second.add(name)
        second.added.flush()
        assert sorted(str(row.outpath) for row in second.added.results()) == ["a", "b", "c", "d"]


def test_failed_and_dropped_inputs_are_rows(staging):
    row = staging.add_failed(b"caf\xe9".decode("utf-8", "surrogateescape"), ValueError("no\ngood"))
    assert (row.inpath, row.status, row.error_type, row.error) == (r"caf\xe9", "failed", "ValueError", "no good")
    assert staging.add_dropped("x", ValueError("y")).status == "dropped"


@pytest.mark.parametrize("n_paths", [0, 1, 5000])
def test_a_path_index_finds_what_was_put_in_and_nothing_else(n_paths):
    index = PathIndex()
    for number in range(n_paths):
        assert index.setdefault(f"p{number}", number) == number
    assert len(index) == n_paths
    for number in range(n_paths):
        assert index.get(f"p{number}") == number
        assert index.setdefault(f"p{number}", 0) == number
        assert f"q{number}" not in index
    with pytest.raises(OverflowError, match="more than 4,294,967,294 paths are too many"):
        index.setdefault("x", 1 << 33)


def test_a_name_that_is_finished_but_gone_is_not_finished(staging):
    (staging.files / "a").write_text("1")
    staging.add("a")
    assert staging.is_finished("a")
    os.unlink(staging.files / "a")
    assert not staging.is_finished("a")


def test_members_are_written_as_they_come_and_never_held_whole(folder):
    from tintype.raw.archives.limits import ArchiveLimits, Meter
    from tintype.raw.archives.reading import read_archive

    data = make_tar([("big.bin", bytes(5 * 2**20))])
    [sizes] = [
        [len(chunk) for chunk in member.chunks()]
        for member in read_archive(io.BytesIO(data), Meter("pets", ArchiveLimits()))
    ]
    assert max(sizes) <= 2**20
