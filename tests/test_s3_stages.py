"""Behaviour of tintype.raw.S3Tarfile and S3Folder, and of load_funcs.s3, against an S3 server over real HTTP."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from tests.archive_builders import FILES, compress, make_tar, make_zip

from tintype.errors import (
    FileError,
    SettingsError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    TooManyFailuresError,
)
from tintype.load_funcs import load_bytes_from_s3, resuming
from tintype.load_funcs import s3 as module
from tintype.load_funcs.s3 import list_s3_objects, make_s3_client, split_s3_url
from tintype.raw import ExtractArchive, S3Folder, S3Tarfile
from tintype.raw.s3_stages import WantedObject
from tintype.recipe import Rebuild
from tintype.settings import read_settings

OBJECTS = {"cats/1.jpg": b"one", "cats/deep/2.JPG": b"two" * 1000, "top.txt": b"", "Größe & more+?.jpg": b"4"}


class Proxy:
    """A TCP proxy that counts bytes and hangs up after some of them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.hang_up_after: list[int] = []
        """For each connection that answers with more than a page, bytes after which it is cut."""
        self.dies = False
        """Whether it takes no connection any more once it has cut one."""
        self._is_dead = False
        self.n_bytes = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_dead and self.dies:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
            back.start()
            self._pump(client, server, False)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        n_bytes = 0
        try:
            while data := source.recv(4096):
                if is_answer:
                    self.n_bytes += len(data)
                    n_bytes += len(data)
                    if n_bytes > 8192 and self.hang_up_after and n_bytes > self.hang_up_after[0]:
                        self.hang_up_after.pop(0)
                        self._is_dead = True
                        break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class S3:
    """A bucket named photos, and what was asked of its server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.calls: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []

    def put(self, key: str, data: bytes, bucket: str = "photos") -> None:
        make_s3_client().put_object(Bucket=bucket, Key=key, Body=data)
        self.forget()

    def forget(self) -> None:
        self.calls.clear()
        self.requests.clear()

    def watch(self) -> None:
        """Count the calls of the client that stages of this process use."""

        def count(params: dict[str, Any], model: Any, **_: Any) -> None:
            self.calls[model.name] += 1
            self.requests.append({**params["headers"], "call": model.name, "url": params["url"]})

        make_s3_client().meta.events.register("before-call.s3", count)


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3(moto_port, tmp_path, monkeypatch, _clean_luigi) -> Iterator[S3]:
    import urllib3

    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(resuming, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(module, "_clients_of_process", {})
    for name, value in {
        "durable": "false",
        "progress": "none",
        "n_jobs": "4",
        "s3_endpoint": f"http://127.0.0.1:{moto_port}",
        "s3_region": "us-east-1",
    }.items():
        get_config().set("tintype", name, value)
    urllib3.request("POST", f"http://127.0.0.1:{moto_port}/moto-api/reset", retries=False)
    opened = S3(moto_port)
    make_s3_client().create_bucket(Bucket="photos")
    opened.watch()
    yield opened
    for clients in module._clients_of_process.values():
        for client in clients.by_key.values():
            client.close()
    gc.collect()


@pytest.fixture
def proxy(s3) -> Iterator[Proxy]:
    opened = Proxy(s3.port)
    get_config().set("tintype", "s3_endpoint", f"http://127.0.0.1:{opened.port}")
    s3.watch()
    yield opened
    opened.close()


class Pets(S3Tarfile):
    bucket = luigi.Parameter(default="photos")
    key = luigi.Parameter(default="2024/pets.tar.gz")


class Photos(S3Folder):
    bucket = luigi.Parameter(default="photos")
    prefix = luigi.Parameter(default="")


def tree(top: str | Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(top)): p.read_bytes()
        for p in Path(top).rglob("*")
        if p.is_file() and p.name not in ("_manifest.parquet", "_stamp.json")
    }


def rows(task: luigi.Task, key: str = "outpath") -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in task.output().manifest().rows()}


# The load functions


def test_an_object_is_loaded(s3):
    s3.put("a/Größe &+.txt", b"hello")
    assert load_bytes_from_s3("s3://photos/a/Größe &+.txt") == b"hello"
    s3.put("empty", b"")
    assert load_bytes_from_s3("s3://photos/empty") == b""


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("s3://photos/none", SourceNotFoundError, "s3://photos/none is not there: correct the bucket or the key"),
        ("s3://no-such-bucket/a", SourceNotFoundError, "s3://no-such-bucket/a is not there: correct the bucket"),
        ("s3://Bad_Bucket!/a", SettingsError, r"s3://Bad_Bucket!/a cannot be asked for .*: correct bucket"),
        ("photos/a", SettingsError, "'photos/a' names no S3 object: give s3://bucket/key"),
        ("s3://photos/", SettingsError, "names no S3 object"),
    ],
)
def test_what_is_not_there_is_told_with_bucket_and_key(s3, url, kind, words):
    with pytest.raises(kind, match=words):
        load_bytes_from_s3(url)


def test_a_missing_bucket_is_told_by_its_name(s3):
    with pytest.raises(SourceNotFoundError, match="there is no bucket 'no-such-bucket': correct its name"):
        list(list_s3_objects("no-such-bucket", "x/"))


def test_without_credentials_the_message_says_where_to_put_them(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    get_config().set("tintype", "s3_region", "eu-west-1")  # another client than the one that has found some
    with pytest.raises(
        SourceError, match=r"no credentials for S3 were found .*set AWS_ACCESS_KEY_ID and .*s3_anonymous"
    ):
        load_bytes_from_s3("s3://photos/a")


def test_an_endpoint_that_is_not_there_is_told(s3):
    get_config().set("tintype", "s3_endpoint", "http://127.0.0.1:9")
    with pytest.raises(
        SourceUnreachableError, match=r"s3://photos/a: S3 cannot be reached.*check the network and s3_end"
    ):
        load_bytes_from_s3("s3://photos/a")


@pytest.mark.parametrize(("name", "value"), [("s3_endpoint", "no url"), ("s3_profile", "nobody")])
def test_a_setting_that_cannot_be_used_is_told(s3, name, value):
    get_config().set("tintype", name, value)
    with pytest.raises(
        SettingsError, match=r"no S3 client can be made .*: correct s3_endpoint, s3_region or s3_profile"
    ):
        make_s3_client()


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("AccessDenied", 403, SourceError, r"may not be read \(S3 says AccessDenied\).*s3_requester_pays"),
        ("403", 403, SourceError, "may not be read"),
        ("InvalidAccessKeyId", 403, SourceError, "check the credentials"),
        ("NoSuchBucket", 404, SourceNotFoundError, "there is no bucket 'b'"),
        ("404", 404, SourceNotFoundError, "s3://b/k is not there"),
        ("PreconditionFailed", 412, SourceChangedError, "s3://b/k changed while it was read: run again"),
        ("InvalidRange", 416, SourceChangedError, "changed while it was read"),
        ("PermanentRedirect", 301, SourceError, "is in another region .*s3_region"),
        ("SlowDown", 503, SourceUnreachableError, "S3 is not well"),
        ("InternalError", 500, SourceUnreachableError, "run again later"),
        ("Odd", 418, SourceError, "cannot be read"),
    ],
)
def test_only_not_found_means_absent(code, status, kind, words):
    from botocore.exceptions import ClientError

    error = ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetObject",
    )
    with pytest.raises(kind, match=words) as caught, module.s3_errors("s3://b/k"):
        raise error
    assert type(caught.value) is kind


def test_settings_are_read_and_go_to_the_client(s3):
    for name, value in {"s3_anonymous": "true", "s3_requester_pays": "yes", "s3_region": "eu-central-1"}.items():
        get_config().set("tintype", name, value)
    settings = read_settings()
    assert (settings.s3_anonymous, settings.s3_requester_pays, settings.s3_profile) == (True, True, None)
    client = make_s3_client(settings, n_connections=77)
    assert client.meta.region_name == "eu-central-1"
    assert vars(client.meta.config)["_user_provided_options"]["max_pool_connections"] == 77
    assert module.request_options(settings) == {"RequestPayer": "requester"}


def test_anonymous_requests_carry_no_signature_and_requester_pays_says_so(s3):
    s3.put("a", b"1")
    get_config().set("tintype", "s3_anonymous", "true")
    get_config().set("tintype", "s3_requester_pays", "true")
    seen = []
    client = make_s3_client()
    client.meta.events.register("before-send.s3", lambda request, **_: seen.append(dict(request.headers)))
    try:
        load_bytes_from_s3("s3://photos/a")
    except SourceError:
        pass  # the server may want a signature; what was sent is the matter here
    assert seen
    assert not any("Authorization" in headers for headers in seen)
    assert all(headers["x-amz-request-payer"] == b"requester" for headers in seen)


def test_one_client_serves_a_process_and_none_is_taken_over_a_fork(s3):
    client = make_s3_client()
    assert make_s3_client() is client
    seen = []

    def look():
        seen.append(make_s3_client())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(other) for other in seen} == {id(client)}
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        other = make_s3_client()
        os.write(writing, b"same" if other is client else b"another")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"another"
    os.close(reading)
    os.close(writing)


def test_importing_loads_no_boto3():
    import subprocess

    code = "import tintype.raw.s3_stages, tintype.load_funcs.s3, sys; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0


# S3Tarfile


@pytest.mark.parametrize("files", [{}, {"a/1.txt": b"1"}, FILES], ids=["zero", "one", "many"])
def test_a_tarfile_is_streamed_and_extracted_in_one_request(s3, files):
    s3.put("2024/pets.tar.gz", compress(make_tar(files.items()), "gz"))
    task = Pets()
    task.run()
    assert tree(task.output().path) == files
    assert s3.calls == {"HeadObject": 1, "GetObject": 1}
    assert s3.requests[1]["If-Match"]
    assert task.complete()
    assert task.output().verify(deep=True).ok


def test_extract_archive_takes_an_s3_url_and_a_zip(s3):
    s3.put("pets.zip", make_zip())

    class Zipped(ExtractArchive):
        archive = luigi.Parameter(default="s3://photos/pets.zip")

    Zipped().run()
    assert tree("data/raw/Zipped") == FILES


def test_another_etag_has_it_extracted_again_and_a_lost_object_does_not(s3):
    s3.put("2024/pets.tar.gz", make_tar())
    Pets().run()
    s3.put("2024/pets.tar.gz", make_tar([("new.txt", b"1")]))
    assert isinstance(Pets().decide(), Rebuild)
    Pets().run()
    assert tree("data/raw/Pets") == {"new.txt": b"1"}
    make_s3_client().delete_object(Bucket="photos", Key="2024/pets.tar.gz")
    assert Pets().complete()
    get_config().set("tintype", "s3_endpoint", "http://127.0.0.1:9")
    assert Pets().complete()


def test_a_tarfile_that_was_never_there_is_told(s3):
    with pytest.raises(SourceNotFoundError, match=r"s3://photos/2024/pets.tar.gz is not there"):
        Pets().run()


def test_a_dropped_connection_is_taken_up_by_a_range(s3, proxy):
    data = make_tar([("big.bin", os.urandom(400_000)), ("after.txt", b"!")])
    s3.put("2024/pets.tar.gz", data)
    proxy.hang_up_after[:] = [100_000, 150_000]
    task = Pets()
    task.run()
    assert task.output().verify(deep=True).ok
    gets = [request for request in s3.requests if request["call"] == "GetObject"]
    assert len(gets) == 3
    starts = [int(request["Range"].removeprefix("bytes=").rstrip("-")) for request in gets[1:]]
    assert 0 < starts[0] < starts[1] < len(data)
    assert len({request["If-Match"] for request in gets}) == 1
    assert proxy.n_bytes < 2 * len(data)


def test_an_object_that_changes_behind_a_dropped_connection_is_an_error(s3, proxy, monkeypatch):
    s3.put("2024/pets.tar.gz", make_tar([("big.bin", os.urandom(400_000))]))
    proxy.hang_up_after[:] = [100_000]
    wrapped = resuming.ResumingStream._note_drop

    def change(self, error):
        s3.put("2024/pets.tar.gz", make_tar([("big.bin", os.urandom(400_000))]))
        wrapped(self, error)

    monkeypatch.setattr(resuming.ResumingStream, "_note_drop", change)
    with pytest.raises(SourceChangedError, match=r"s3://photos/2024/pets.tar.gz changed while it was read: run again"):
        Pets().run()
    assert not Path("data/raw/Pets").exists()


def test_a_connection_that_drops_again_and_again_is_given_up_and_what_is_finished_is_kept(s3, proxy):
    s3.put("2024/pets.tar.gz", make_tar([("first.txt", b"1"), *((f"{n}.bin", os.urandom(9_000)) for n in range(40))]))
    proxy.hang_up_after[:] = [100_000]
    proxy.dies = True
    with pytest.raises(SourceUnreachableError, match=r"s3://photos/2024/pets.tar.gz: (the connection broke|S3 cannot)"):
        Pets().run()
    finished = tree("data/raw/.Pets.staging/files")
    assert "first.txt" in finished
    times = {name: os.stat(f"data/raw/.Pets.staging/files/{name}").st_ino for name in finished}
    proxy.dies = False
    Pets().run()
    assert len(tree("data/raw/Pets")) == 41
    kept = {name for name, inode in times.items() if os.stat(f"data/raw/Pets/{name}").st_ino == inode}
    assert len(kept) >= len(times) - 1


# S3Folder


@pytest.mark.parametrize("objects", [{}, {"cats/1.jpg": b"1"}, OBJECTS], ids=["zero", "one", "many"])
def test_every_object_of_a_bucket_comes_in_with_its_columns(s3, objects):
    for key, data in objects.items():
        s3.put(key, data)
    task = Photos()
    task.run()
    assert tree(task.output().path) == objects
    n_gets = sum(data != b"" for data in objects.values())  # of an empty one all is known
    assert s3.calls == Counter({"ListObjectsV2": 1} | ({"GetObject": n_gets} if objects else {}))
    found = rows(task)
    for key, data in objects.items():
        assert found[key]["inpath"] == f"s3://photos/{key}"
        assert (found[key]["key"], found[key]["size"]) == (key, len(data))
        assert found[key]["etag"].strip('"')
        assert found[key]["last_modified"].endswith("+00:00")
        assert found[key]["label"] == (key.split("/")[-2] if "/" in key else None)
    assert task.complete()
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("prefix", ["2024", "2024/"])
def test_a_prefix_is_a_folder_and_patterns_choose(s3, prefix):
    for key in (
        "2024/a.jpg",
        "2024/b.txt",
        "2024/drafts/c.jpg",
        "2024/sub/D.JPG",
        "2024-old/e.jpg",
        "2024/sub/",
        "2024",
    ):
        s3.put(key, b"1")

    class Jpegs(Photos):
        patterns = ("*.jpg",)
        exclude = ("drafts/*",)

    task = Jpegs(prefix=prefix)
    task.run()
    assert set(tree(task.output().path)) == {"a.jpg", "sub/D.JPG"}


def test_an_object_that_is_unchanged_is_linked_over_and_not_fetched(s3):
    for key, data in OBJECTS.items():
        s3.put(key, data)
    Photos().run()
    inode = os.stat("data/raw/Photos/cats/1.jpg").st_ino
    s3.put("top.txt", b"changed")
    s3.put("new.txt", b"new")
    make_s3_client().delete_object(Bucket="photos", Key="cats/deep/2.JPG")
    s3.forget()
    Photos().run()
    assert s3.calls == {"ListObjectsV2": 1, "GetObject": 2}
    assert tree("data/raw/Photos") == {
        "cats/1.jpg": b"one", "top.txt": b"changed", "new.txt": b"new", "Größe & more+?.jpg": b"4",
    }  # fmt: skip
    assert os.stat("data/raw/Photos/cats/1.jpg").st_ino == inode
    assert Photos().output().verify(deep=True).ok
    s3.forget()
    assert Photos().complete()
    assert s3.calls == {"ListObjectsV2": 1}


def test_a_file_that_was_lost_or_cut_is_fetched_again(s3):
    for key, data in OBJECTS.items():
        s3.put(key, data)
    Photos().run()
    os.unlink("data/raw/Photos/cats/1.jpg")
    Path("data/raw/Photos/cats/deep/2.JPG").write_bytes(b"short")
    s3.put("new.txt", b"new")
    Photos().run()
    assert s3.calls["GetObject"] == 3
    assert tree("data/raw/Photos") == {**OBJECTS, "new.txt": b"new"}


def test_keys_that_would_leave_the_directory_are_failed_rows(s3, monkeypatch):
    for key in ("../evil.txt", "a/../../evil.txt", "/abs.txt", "a//b.txt", "good.txt", "_stamp.json"):
        s3.put(f"in/{key}", b"1")
    with pytest.raises(TooManyFailuresError, match="5 of 6 files failed"):
        Photos(prefix="in").run()
    monkeypatch.setattr(Photos, "max_failure_rate", 1.0)
    Photos(prefix="in").run()
    assert set(tree(Photos(prefix="in").output().path)) == {"good.txt"}
    assert not list(Path().glob("**/evil.txt"))


def test_an_object_that_changes_after_the_listing_is_a_failed_row(s3, monkeypatch):
    s3.put("a.txt", b"1")
    s3.put("b.txt", b"2")
    wrapped = module.list_s3_objects

    def change_after(*args):
        yield from wrapped(*args)
        s3.put("a.txt", b"changed")

    monkeypatch.setattr("tintype.raw.s3_stages.list_s3_objects", change_after)
    with pytest.raises(TooManyFailuresError, match=r"1 of 2 files failed.*s3://photos/a.txt changed while it was read"):
        Photos().run()
    monkeypatch.undo()


def test_a_dropped_connection_costs_one_more_request(s3, proxy):
    s3.put("big.bin", os.urandom(300_000))
    proxy.hang_up_after[:] = [100_000]
    Photos(n_jobs=1).run()
    assert s3.calls["GetObject"] == 2
    assert Photos().output().verify(deep=True).ok


def test_a_listing_of_several_pages_is_read_to_its_end(s3):
    for n in range(1001):  # not over HTTP, which takes ten times as long
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object("photos", f"{n:04d}.txt", b"")
    assert len(list(list_s3_objects("photos", ""))) == 1001
    assert s3.calls == {"ListObjectsV2": 2}


def test_what_came_in_stays_when_the_bucket_is_gone_or_out_of_reach(s3, caplog):
    s3.put("a.txt", b"1")
    Photos().run()
    make_s3_client().delete_object(Bucket="photos", Key="a.txt")
    make_s3_client().delete_bucket(Bucket="photos")
    assert Photos().complete()
    assert "there is no bucket 'photos'" in caplog.text
    get_config().set("tintype", "s3_endpoint", "http://127.0.0.1:9")
    assert Photos().complete()
    with pytest.raises(SourceUnreachableError, match="S3 cannot be reached"):
        Photos(prefix="other").run()


def test_a_bucket_that_need_not_be_checked_is_not(s3, monkeypatch):
    monkeypatch.setattr(Photos, "check_source", False)
    s3.put("a.txt", b"1")
    Photos().run()
    s3.put("b.txt", b"1")
    assert Photos().complete()
    assert s3.calls == {}


def test_an_interrupted_fetch_resumes(s3, monkeypatch):
    for n in range(30):
        s3.put(f"{n:02d}.txt", b"%d" % n)
    wrapped = module.open_s3_object

    def stop(found, *args, **kwargs):
        if found.location.key == "15.txt":
            raise KeyboardInterrupt
        return wrapped(found, *args, **kwargs)

    monkeypatch.setattr("tintype.raw.s3_stages.open_s3_object", stop)
    with pytest.raises(FileError, match=r"s3://photos/15.txt: KeyboardInterrupt"):
        Photos(n_jobs=1).run()
    n_first = s3.calls["GetObject"]
    assert 0 < n_first < 30
    monkeypatch.setattr("tintype.raw.s3_stages.open_s3_object", wrapped)
    s3.forget()
    Photos().run()
    assert s3.calls["GetObject"] == 30 - n_first
    assert len(tree("data/raw/Photos")) == 30


def test_rows_survive_being_sent_to_another_process(s3):
    s3.put("a.txt", b"1")
    Photos().run()
    task = Photos()
    [batch] = task.rows().batches()
    [wanted] = task.load_arguments(batch)
    assert isinstance(wanted, WantedObject)
    copied = pickle.loads(pickle.dumps(wanted))
    assert (copied, copied.found, copied.old) == (wanted, wanted.found, wanted.old)
    assert wanted.old is not None
    assert copied.old is not None
    assert copied.old.digest == wanted.old.digest


def test_an_s3_url_is_split():
    assert split_s3_url("S3://b/k/with//slashes") == ("b", "k/with//slashes")
