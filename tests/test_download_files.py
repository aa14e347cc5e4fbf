"""Downloading a list of URLs as a stage, from a real server on loopback."""

import gzip
import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import luigi
import pytest
from tests.servers.faults import fault_server

from tintype.errors import CollisionError, RowSourceError, SettingsError, TooManyFailuresError
from tintype.load_funcs.http import FetchPolicy
from tintype.pipelines import Pipeline
from tintype.raw import DownloadFiles
from tintype.tasks import FileStage
from tintype.write_funcs import copy_file

QUICK = FetchPolicy(deadline_seconds=2.0, max_attempts=1, backoff_seconds=0.01)


class Photos(DownloadFiles):
    urls = luigi.Parameter(default="urls.csv")
    policy = QUICK
    max_failure_rate = 0.0


@pytest.fixture
def server():
    with fault_server() as running:
        for n in range(30):
            running.files[f"/{n}.png"] = f"picture {n}".encode()
        yield running


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_list(server, numbers, *, columns=""):
    """Write urls.csv with a row for each number or path."""
    lines = [f"url{columns and ',label'}"]
    for number in numbers:
        path = f"/{number}.png" if isinstance(number, int) else number
        lines.append(f"{server.url}{path}{columns and f',{columns}'}")
    Path("urls.csv").write_text("\n".join(lines) + "\n")


def download(**parameters):
    luigi.task_register.Register.clear_instance_cache()
    task = Photos(**parameters)
    task.run()
    return task


def rows(task):
    return {row["inpath"].rpartition("/")[2]: row for row in task.output().manifest().rows()}


def test_the_bytes_land_as_they_were_received_with_what_the_server_said(server, workplace):
    write_list(server, range(3), columns="cat")
    task = download()
    assert task.complete()
    assert task.output().verify(deep=True).ok
    assert (task.output().folder / "1.png").read_bytes() == b"picture 1"
    row = rows(task)["1.png"]
    assert row["url"] == row["final_url"] == f"{server.url}/1.png"
    assert row["label"] == "cat"
    assert row["http_status"] == 200
    assert row["content_type"] == "image/png"
    assert row["etag"]
    assert row["attempts"] == 1
    assert row["bytes_per_second"] > 0


@pytest.mark.parametrize("numbers", [[], [0], list(range(30))], ids=["zero", "one", "many"])
def test_any_number_of_urls_gives_the_same_columns(server, workplace, numbers):
    write_list(server, numbers)
    manifest = download().output().manifest()
    assert len(manifest) == len(numbers)
    assert manifest.schema.names[-8:] == [
        "url", "final_url", "http_status", "content_type", "etag", "last_modified", "attempts", "bytes_per_second"
    ]  # fmt: skip


def test_a_second_run_asks_nothing(server, workplace):
    write_list(server, range(5))
    download()
    n_requests = server.requests.total()
    luigi.task_register.Register.clear_instance_cache()
    assert Photos().complete()
    assert server.requests.total() == n_requests


def test_when_the_list_changes_only_new_rows_are_fetched_and_vanished_ones_leave(server, workplace):
    write_list(server, range(10))
    first = download()
    digest = first.output().stamp().digest
    server.requests.clear()
    write_list(server, range(3, 13))
    task = download()
    assert sorted(server.requests) == ["/10.png", "/11.png", "/12.png"]
    assert sorted(path.name for path in task.output().files()) == sorted(f"{n}.png" for n in range(3, 13))
    statuses = [row["status"] for row in rows(task).values()]
    assert statuses == ["reused"] * 7 + ["written"] * 3
    assert rows(task)["5.png"]["etag"]
    assert task.output().verify(deep=True).ok
    write_list(server, range(10))
    assert download().output().stamp().digest == digest


def test_a_refresh_moves_no_bytes_of_what_did_not_change(server, workplace):
    write_list(server, range(10))
    digest = download().output().stamp().digest
    server.requests.clear()
    server.bytes_sent = 0
    task = download(refresh=True)
    assert task.complete()
    assert server.requests.total() == 10
    assert server.bytes_sent == 0
    assert {row["status"] for row in rows(task).values()} == {"reused"}
    assert {row["http_status"] for row in rows(task).values()} == {304}
    assert task.output().stamp().digest == digest


def test_a_refresh_fetches_what_changed(server, workplace):
    write_list(server, range(5))
    download()
    server.files["/2.png"] = b"another picture"
    luigi.task_register.Register.clear_instance_cache()
    assert Photos().complete()  # without a refresh nobody asks
    task = download(refresh=True)
    assert (task.output().folder / "2.png").read_bytes() == b"another picture"
    assert [row["status"] for row in rows(task).values()].count("written") == 1


def test_a_published_file_that_is_gone_is_fetched_again(server, workplace):
    write_list(server, range(3))
    task = download()
    (task.output().folder / "1.png").unlink()
    server.requests.clear()
    write_list(server, range(4))
    assert download().output().verify(deep=True).ok
    assert sorted(server.requests) == ["/1.png", "/3.png"]


def test_the_same_url_twice_is_fetched_once(server, workplace):
    Path("urls.csv").write_text(
        f"url,path\n{server.url}/1.png,a/one.png\n{server.url}/2.png,two.png\n{server.url}/1.png,b/one.png\n"
    )
    task = download()
    assert server.requests["/1.png"] == 1
    assert {str(path.relative_to(task.output().folder)) for path in task.output().files()} == {
        "a/one.png", "two.png", "b/one.png"
    }  # fmt: skip
    assert (task.output().folder / "b/one.png").read_bytes() == b"picture 1"
    assert [row["http_status"] for row in task.output().manifest().rows()] == [200, 200, 200]


def test_a_repeated_url_whose_first_row_failed_fails_too_and_is_not_asked_again(server, workplace):
    Path("urls.csv").write_text(f"url,path\n{server.url}/status?code=404,a\n{server.url}/status?code=404,b\n")
    with pytest.raises(TooManyFailuresError, match="2 of 2 files failed"):
        download()
    assert server.requests["/status?code=404"] == 1


def test_two_urls_with_one_name_are_named_before_the_first_download(server, workplace):
    write_list(server, ["/a/1.png", "/b/1.png"])
    with pytest.raises(CollisionError, match=r"/a/1\.png and .*/b/1\.png would both become 1\.png: set path_template"):
        download()
    assert not server.requests


def test_a_template_gives_the_paths(server, workplace, monkeypatch):
    monkeypatch.setattr(Photos, "path_template", "{label}/{stem}-{url_hash:.4}{ext}")
    write_list(server, [1], columns="a cat")
    (path,) = download().output().files()
    assert path.parent.name == "a cat"
    assert path.name.startswith("1-")


def test_paths_that_would_leave_the_directory_are_failed_rows(server, workplace):
    Path("urls.csv").write_text(f"url,path\n{server.url}/1.png,../evil.png\n{server.url}/2.png,/etc/evil.png\n")
    with pytest.raises(TooManyFailuresError, match=r"2 of 2 files failed.*\.\./evil\.png"):
        download()
    assert not server.requests
    assert not list(workplace.rglob("evil.png"))


FAULTS = {
    "/hang": ("DownloadTimeoutError", "deadline_seconds|sent nothing more"),
    "/drip": ("DownloadTimeoutError", "deadline_seconds"),
    "/endless": ("WrongContentError", "max_bytes"),
    "/reset": ("ConnectionFailedError", "reset|broken|ended after|Incomplete"),
    "/short": ("ConnectionFailedError", "ended after|Incomplete|broken"),
    "/redirect-loop": ("DownloadError", "redirected more than"),
    "/status?code=404": ("HttpStatusError", "answered 404"),
    "/bomb": ("WrongContentError", "max_bytes"),
    "/lie": ("ImageError", "no image"),
    "/false-image": ("ImageError", "no image"),
    "/empty": ("WrongContentError", "empty"),
    "/opted-out": ("OptedOutError", "X-Robots-Tag"),
}


def test_each_fault_gives_its_row_and_what_is_good_is_published(server, workplace, monkeypatch, photographs):
    good = sorted(photographs.rglob("*.png"))
    for n, path in enumerate(good):
        server.files[f"/good{n}.png"] = path.read_bytes()
    monkeypatch.setattr(Photos, "policy", FetchPolicy(deadline_seconds=1.0, max_attempts=1, max_bytes=20_000_000))
    monkeypatch.setattr(Photos, "check_images", True)
    monkeypatch.setattr(Photos, "max_failure_rate", 0.9)
    write_list(server, [*FAULTS, *(f"/good{n}.png" for n in range(len(good)))])
    monkeypatch.setattr(Photos, "path_template", "{url_hash}{ext}")
    task = download()
    found = {row["inpath"].removeprefix(server.url): row for row in task.output().manifest().rows()}
    for path, (kind, words) in FAULTS.items():
        assert found[path]["status"] == "failed", path
        assert found[path]["error_type"] == kind, path
        assert any(word in found[path]["error"] for word in words.split("|")), found[path]["error"]
    assert found["/status?code=404"]["http_status"] == 404
    for n in range(len(good)):
        assert found[f"/good{n}.png"]["status"] == "written"
    assert task.output().verify(deep=True).ok


def test_too_many_failures_keep_what_is_good_for_the_next_run(server, workplace):
    write_list(server, [*range(5), "/twice-503"])
    with pytest.raises(TooManyFailuresError, match=r"1 of 6 files failed.*answered 503"):
        download()
    asked_before = dict(server.requests)
    assert asked_before["/twice-503"] == 2  # tried, and once more at the end
    task = download()
    assert (task.output().folder / "twice-503").read_bytes() == b"at last"
    assert {path: count for path, count in server.requests.items() if path != "/twice-503"} == {
        path: count for path, count in asked_before.items() if path != "/twice-503"
    }


def test_what_may_pass_is_tried_once_more_at_the_end(server, workplace):
    write_list(server, [*range(5), "/too-many?after=0"])
    task = download()
    assert {row["status"] for row in rows(task).values()} == {"written"}
    assert task.output().stamp().n_failed == 0


def test_a_checksum_in_the_list_is_verified(server, workplace):
    right, wrong = sha256(b"picture 1").hexdigest(), "0" * 64
    Path("urls.csv").write_text(f"url,sha256\n{server.url}/1.png,{right}\n{server.url}/2.png,{wrong}\n")
    with pytest.raises(TooManyFailuresError, match=rf"1 of 2 files failed.*the list says {wrong}"):
        download()


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "txt", "headless.csv"])
def test_lists_come_in_many_forms(server, workplace, form):
    urls = [f"{server.url}/{n}.png" for n in range(3)]
    texts = {
        "jsonl": "".join(json.dumps({"url": url, "label": "cat"}) + "\n" for url in urls),
        "txt": "".join(f"{url}\n" for url in urls),
        "headless.csv": "".join(f"{url},here/{n}.png\n" for n, url in enumerate(urls)),
    }
    text = texts[form.removesuffix(".gz")].encode()
    Path(f"list.{form}").write_bytes(gzip.compress(text) if form.endswith(".gz") else text)
    task = download(urls=f"list.{form}")
    assert task.output().stamp().n_files == 3


def test_the_list_may_itself_be_on_a_server(server, workplace):
    server.files["/list.csv"] = f"url\n{server.url}/1.png\n".encode()
    assert download(urls=f"{server.url}/list.csv").output().stamp().n_files == 1


def test_a_fault_in_the_list_names_file_and_line_before_any_request(server, workplace):
    Path("urls.csv").write_text(f"url,label\n{server.url}/1.png,cat\n{server.url}/2.png\n")
    with pytest.raises(RowSourceError, match=r"urls\.csv, line 3 has 1 cells, the columns are 2"):
        download()
    assert not server.requests


SCRIPT = """
import luigi, sys
from test_download_files import Photos  # by the name that it has in this process
from tintype.load_funcs.http import FetchPolicy

Photos.policy = FetchPolicy(deadline_seconds=60.0)
Photos.default_n_jobs = 2
sys.exit(0 if luigi.build([Photos()], local_scheduler=True) else 1)
"""


def test_after_ctrl_c_the_next_run_fetches_only_the_rest(server, workplace):
    paths = [f"/slow?seconds=0.05&n={n}" for n in range(40)]
    write_list(server, paths)
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}:{here.parent}", "LUIGI_CONFIG_PATH": os.devnull}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stderr=subprocess.PIPE)
    while len(server.requests) < 20:
        assert process.poll() is None
        server.ending.wait(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not Path("data/raw/Photos").exists()
    n_asked = server.requests.total()
    assert n_asked < 40

    task = download()
    assert task.output().stamp().n_files == 40
    # Those that were cut in the middle are asked for again: at most one for each of the two threads.
    assert server.requests.total() <= 40 + 2


def test_what_servers_said_does_not_count_in_the_stages_below(server, workplace):
    class Below(FileStage):
        layer = "interim"

        def requires(self):
            return Photos()

        def pipeline(self):
            return Pipeline(load_func=str, write_func=copy_file)

    digests, speeds = set(), set()
    for _ in range(2):
        write_list(server, range(3))
        download()
        task = Below()
        task.run()
        stamp = task.output().stamp()
        assert stamp is not None
        digests.add(stamp.digest)
        assert {row["attempts"] for row in task.output().manifest().rows()} == {1}
        speeds |= {row["bytes_per_second"] for row in task.output().manifest().rows()}
        for target in (task.output(), Photos().output()):
            target.remove()
    assert len(digests) == 1
    assert len(speeds) == 6


@pytest.mark.parametrize(
    "urls", ["mongodb://me:secret@h/db", "postgresql://me:secret@h/db", "https://me:secret@h/a.csv"]
)
def test_a_password_in_the_parameter_is_refused_and_not_repeated(workplace, urls):
    with pytest.raises(SettingsError, match=r"urls holds a password.*\$\{NAME\}") as caught:
        Photos(urls=urls)
    assert "secret" not in str(caught.value)
    Photos(urls=urls.replace("secret", "${PASSWORD}"))
