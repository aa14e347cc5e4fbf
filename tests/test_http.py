"""Fetching over HTTP, from a real server on loopback that does everything wrong."""

import pickle
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest
from tests.servers.faults import FaultServer, fault_server

from tintype.errors import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    HttpStatusError,
    OptedOutError,
    WrongContentError,
)
from tintype.load_funcs.host_gate import HostGate
from tintype.load_funcs.http import Fetcher, FetchPolicy, FetchRequest
from tintype.load_funcs.robots import refuses
from tintype.load_funcs.watchdog import Watchdog

QUICK = {"deadline_seconds": 1.0, "max_attempts": 1, "backoff_seconds": 0.01}


@pytest.fixture
def server():
    with fault_server() as running:
        running.files["/a.png"] = b"picture"
        yield running


@pytest.fixture
def make_fetcher():
    made = []

    def make(**policy):
        fetcher = Fetcher(FetchPolicy(**{**QUICK, **policy}))
        made.append(fetcher)
        return fetcher

    yield make
    for fetcher in made:
        fetcher.close()


def test_a_file_comes_with_what_the_server_says_of_it(server, make_fetcher):
    fetched = make_fetcher()(f"{server.url}/a.png")
    assert fetched.data == b"picture"
    assert fetched.http_status == 200
    assert fetched.content_type == "image/png"
    assert fetched.etag
    assert fetched.attempts == 1
    assert server.seen_headers["/a.png"]["User-Agent"].startswith("tintype/")


@pytest.mark.parametrize("path", ["/hang", "/drip", "/drip-headers"])
def test_the_deadline_holds_against_a_server_that_hangs_or_drips(server, make_fetcher, path):
    with pytest.raises(DownloadTimeoutError, match=r"was not there after deadline_seconds=1|sent nothing more"):
        make_fetcher()(server.url + path)


def test_an_endless_body_ends_at_max_bytes(server, make_fetcher):
    with pytest.raises(WrongContentError, match="more than max_bytes=1,000,000"):
        make_fetcher(max_bytes=1_000_000)(f"{server.url}/endless")


def test_a_body_that_is_announced_too_long_is_not_begun(server, make_fetcher):
    with pytest.raises(WrongContentError, match="has 7 bytes, more than max_bytes=5"):
        make_fetcher(max_bytes=5)(f"{server.url}/a.png")


def test_a_slow_body_is_given_up_by_its_speed(server, make_fetcher):
    fetcher = make_fetcher(deadline_seconds=30.0, slow_seconds=0.3, min_bytes_per_second=1000.0)
    with pytest.raises(DownloadTimeoutError, match="bytes a second, less than min_bytes_per_second=1000"):
        fetcher(f"{server.url}/drip")


@pytest.mark.parametrize("path", ["/reset", "/short"])
def test_a_connection_that_breaks_half_way_is_tried_again_and_is_no_file(server, make_fetcher, path):
    with pytest.raises(ConnectionFailedError, match=r"ended after|reset|broken|Incomplete") as caught:
        make_fetcher(max_attempts=3)(server.url + path)
    assert caught.value.attempts == 3
    assert server.requests[path] == 3


def test_a_redirect_is_followed_and_the_final_url_told(server, make_fetcher):
    fetched = make_fetcher()(f"{server.url}/redirect?to=/a.png")
    assert fetched.data == b"picture"
    assert fetched.final_url == f"{server.url}/a.png"


def test_a_redirect_loop_ends(server, make_fetcher):
    with pytest.raises(DownloadError, match="was redirected more than 4 times"):
        make_fetcher(max_redirects=4)(f"{server.url}/redirect-loop")
    assert server.requests["/redirect-loop"] == 5


def test_a_redirect_to_another_scheme_is_refused(server, make_fetcher):
    with pytest.raises(DownloadError, match="'file:///etc/passwd' is no http or https URL"):
        make_fetcher()(f"{server.url}/redirect?to=file:///etc/passwd")


def test_retry_after_is_honoured(server, make_fetcher):
    fetched = make_fetcher(deadline_seconds=10.0, max_attempts=2)(f"{server.url}/too-many?after=1")
    assert fetched.data == b"at last"
    assert fetched.attempts == 2


def test_a_retry_after_beyond_the_deadline_is_told_at_once(server, make_fetcher):
    with pytest.raises(HttpStatusError, match="answered 429") as caught:
        make_fetcher(max_attempts=5)(f"{server.url}/too-many?after=3600")
    assert caught.value.attempts == 1


def test_503_twice_then_good_is_good(server, make_fetcher):
    fetched = make_fetcher(max_attempts=4)(f"{server.url}/twice-503")
    assert fetched.attempts == 3


@pytest.mark.parametrize(("code", "n_requests"), [(400, 1), (401, 1), (403, 1), (404, 1), (410, 1), (408, 3), (500, 3)])
def test_only_what_may_pass_is_tried_again(server, make_fetcher, code, n_requests):
    with pytest.raises(HttpStatusError, match=f"answered {code}") as caught:
        make_fetcher(max_attempts=3)(f"{server.url}/status?code={code}")
    assert caught.value.http_status == code
    assert server.requests[f"/status?code={code}"] == n_requests


def test_a_decompression_bomb_ends_at_max_bytes(server, make_fetcher):
    with pytest.raises(WrongContentError, match="more than max_bytes=1,000,000"):
        make_fetcher(max_bytes=1_000_000)(f"{server.url}/bomb")


def test_a_body_that_is_not_what_its_encoding_says_is_an_error(server, make_fetcher):
    with pytest.raises(WrongContentError, match="cannot be decompressed"):
        make_fetcher()(f"{server.url}/not-gzip")


def test_a_wrong_content_type_is_an_error_when_types_are_asked_for(server, make_fetcher):
    with pytest.raises(WrongContentError, match="is text/html, not image/"):
        make_fetcher(content_types=("image/",))(f"{server.url}/lie")
    assert make_fetcher()(f"{server.url}/lie").data == b"<html>no image</html>"


def test_an_empty_body_is_an_error(server, make_fetcher):
    with pytest.raises(WrongContentError, match="is empty"):
        make_fetcher()(f"{server.url}/empty")


def test_the_checksum_of_the_list_is_verified(server, make_fetcher):
    right = sha256(b"picture").hexdigest()
    assert make_fetcher()(FetchRequest(f"{server.url}/a.png", sha256=right.upper())).data == b"picture"
    with pytest.raises(WrongContentError, match=f"has sha256 {right}, the list says 00"):
        make_fetcher()(FetchRequest(f"{server.url}/a.png", sha256="00"))


@pytest.mark.parametrize("tag", ["noai", "NoIndex, nofollow", "tintype: noimageai"])
def test_an_opt_out_is_final_and_the_body_is_not_read(server, make_fetcher, tag):
    path = f"/opted-out?tag={tag.replace(' ', '%20')}"
    with pytest.raises(OptedOutError, match="asks not to be used"):
        make_fetcher(max_attempts=3)(server.url + path)
    assert server.requests[path] == 1


def test_opt_outs_of_others_do_not_count(server, make_fetcher):
    assert make_fetcher()(f"{server.url}/opted-out?tag=otherbot:%20noai").data == b"picture"
    assert make_fetcher(opt_out_directives=())(f"{server.url}/opted-out").data == b"picture"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], False),
        (["nofollow"], False),
        (["nofollow", "noai"], True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], False),
        (["max-image-preview: large, noindex"], True),
    ],
)
def test_robots_tags_are_read(tags, expected):
    assert refuses(tags, ("noai", "noindex"), "tintype/1") is expected


def test_robots_txt_is_read_once_and_obeyed(server, make_fetcher):
    server.files["/robots.txt"] = b"User-agent: tintype\nDisallow: /private/\n"
    server.files["/private/a.png"] = b"secret"
    fetcher = make_fetcher(respect_robots_txt=True, deadline_seconds=5.0)
    with ThreadPoolExecutor(8) as pool:
        assert {fetched.data for fetched in pool.map(fetcher, [f"{server.url}/a.png"] * 8)} == {b"picture"}
    with pytest.raises(OptedOutError, match=r"robots\.txt of .* asks not to fetch"):
        fetcher(f"{server.url}/private/a.png")
    assert server.requests["/robots.txt"] == 1
    assert server.requests["/private/a.png"] == 0


def test_no_robots_txt_allows_all(server, make_fetcher):
    assert make_fetcher(respect_robots_txt=True)(f"{server.url}/a.png").data == b"picture"


def test_private_addresses_are_refused_on_request(server, make_fetcher):
    with pytest.raises(DownloadError, match=r"is refused: 127\.0\.0\.1 is a private address"):
        make_fetcher(allow_private_addresses=False)(f"{server.url}/a.png")
    assert not server.requests


def test_an_unchanged_file_is_not_sent_again(server, make_fetcher):
    first = make_fetcher()(f"{server.url}/a.png")
    sent = server.bytes_sent
    again = make_fetcher()(FetchRequest(f"{server.url}/a.png", etag=first.etag))
    assert again.data is None
    assert again.http_status == 304
    assert server.bytes_sent == sent


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://h/a", "http://", "file:///etc/passwd", "http://[::1/a"])
def test_what_is_no_url_is_told_without_a_request(make_fetcher, url):
    with pytest.raises(DownloadError, match=r"is no .*URL") as caught:
        make_fetcher()(url)
    assert caught.value.is_final


def test_a_host_that_does_not_exist_and_a_port_where_nobody_listens(make_fetcher):
    with pytest.raises(ConnectionFailedError, match="host name is not known"):
        make_fetcher()("http://no-such-host.invalid/a.png")
    with pytest.raises(ConnectionFailedError, match="no connection"):
        make_fetcher()("http://127.0.0.1:1/a.png")


@contextmanager
def secure_server(folder: Path, openssl: str, *name: str) -> Iterator[FaultServer]:
    """Serve a file over TLS, with the certificate ``certificate.pem`` that only its own key vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    made = [openssl, "req", "-x509", *kind, "-nodes", "-days", "2", *name]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = FaultServer()
    secure.files["/a.png"] = b"picture"
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    thread = threading.Thread(target=secure.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield secure
    finally:
        secure.shutdown()
        secure.server_close()
        thread.join()


def test_a_certificate_that_nobody_vouches_for_is_final_unless_it_need_not_be_valid(
    tmp_path, make_fetcher, require_service
):
    with secure_server(tmp_path, require_service("openssl"), "-subj", "/CN=127.0.0.1") as secure:
        url = f"https://127.0.0.1:{secure.server_port}/a.png"
        with pytest.raises(ConnectionFailedError, match="no secure connection") as caught:
            make_fetcher(max_attempts=3, deadline_seconds=5.0)(url)
        assert caught.value.attempts == 1
        trusting = make_fetcher(verify_tls=False, deadline_seconds=60.0)
        assert [trusting(url).data for _ in range(3)] == [b"picture"] * 3
        assert secure.n_connections == 1  # beside the one that was refused before it was one


def test_a_certificate_is_good_for_the_names_in_it_and_no_others(tmp_path, make_fetcher, require_service, monkeypatch):
    name = ("-subj", "/CN=anything", "-addext", "subjectAltName=DNS:localhost")
    with secure_server(tmp_path, require_service("openssl"), *name) as secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        fetcher = make_fetcher(deadline_seconds=60.0)
        assert [fetcher(f"https://localhost:{secure.server_port}/a.png").data for _ in range(3)] == [b"picture"] * 3
        assert secure.n_connections == 1
        with pytest.raises(ConnectionFailedError, match=r"no secure connection .*127\.0\.0\.1") as caught:
            fetcher(f"https://127.0.0.1:{secure.server_port}/a.png")
        assert caught.value.attempts == 1


def test_connections_are_kept_open(server, make_fetcher):
    fetcher = make_fetcher()
    for _ in range(5):
        fetcher(f"{server.url}/a.png")
    assert server.n_connections == 1


def test_requests_to_one_host_at_once_are_limited(server, make_fetcher):
    fetcher = make_fetcher(max_per_host=2, deadline_seconds=20.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetcher, [f"{server.url}/slow?n={n}" for n in range(8)]))
    assert server.max_active <= 2
    assert len(server.requests) == 8


def test_a_cool_down_keeps_others_from_the_host_and_no_other_host():
    gate = HostGate()
    gate.cool_down("a", 3600)
    with pytest.raises(DownloadTimeoutError, match="no turn at a before the deadline"), gate.enter("a", 0.0):
        pass
    with gate.enter("b", 0.0):
        pass


def test_a_fetcher_pickles_as_its_policy(server):
    policy = FetchPolicy(max_attempts=7)
    fetcher = Fetcher(policy, n_jobs=3)
    fetcher(f"{server.url}/a.png")
    fetcher.close()
    copy = pickle.loads(pickle.dumps(fetcher))
    assert copy.policy == policy
    assert copy.n_jobs == 3


def test_requests_to_one_host_a_second_are_limited(server, make_fetcher):
    times = []
    gate = HostGate(max_per_second=50.0)
    with ThreadPoolExecutor(4) as pool:

        def take_turn(_):
            with gate.enter("a", monotonic() + 60):
                times.append(monotonic())

        list(pool.map(take_turn, range(10)))
    assert max(times) - min(times) >= 9 / 50 * 0.99
    with gate.enter("b", monotonic() + 60):
        pass


def test_a_run_that_is_stopped_cuts_its_requests_and_lets_no_other_begin(server, make_fetcher):
    fetcher = make_fetcher(deadline_seconds=600.0, read_timeout_seconds=600.0, max_attempts=5)
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(fetcher, f"{server.url}/hang?n={n}") for n in range(2)]
        while len(server.requests) < 2:
            server.ending.wait(0.01)
        fetcher.abort()
        for future in hanging:
            with pytest.raises(DownloadError, match="hang"):
                future.result()
    with pytest.raises(DownloadError, match="the run was stopped"):
        fetcher(f"{server.url}/a.png")
    assert server.requests["/a.png"] == 0


def test_a_request_that_was_sent_while_the_run_was_stopped_is_cut_too():
    watchdog = Watchdog()
    watchdog.cut_all()
    one, other = socket.socketpair()
    with one, other:
        watchdog.watch(one, monotonic() + 3600)
        assert one.recv(1) == b""  # at its end, and not waiting
    watchdog.forget()


def test_who_waits_for_a_host_is_let_go_when_the_run_is_stopped(server, make_fetcher):
    gate = HostGate()
    gate.cool_down("a", 3600)
    waiting = threading.Event()

    def take_turn():
        waiting.set()
        with gate.enter("a", monotonic() + 7200):
            pass

    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(take_turn)
        waiting.wait()
        gate.abort()
        with pytest.raises(DownloadError, match="no turn at a: the run was stopped"):
            turn.result()
