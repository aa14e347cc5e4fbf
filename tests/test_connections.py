"""Connections that are kept open, and the bodies that come over them, from servers that say what they are told."""

import gzip
import select
import socket
import threading
from contextlib import ExitStack, contextmanager
from time import monotonic

import pytest
from tests.servers.faults import fault_server
from urllib3.util import parse_url

from tintype.errors import ConnectionFailedError, WrongContentError
from tintype.load_funcs import connections, watchdog
from tintype.load_funcs.connections import Connections
from tintype.load_funcs.http import Fetcher, FetchPolicy
from tintype.load_funcs.scratch import MAX_FILE_BYTES
from tintype.load_funcs.watchdog import Watchdog

ONCE = FetchPolicy(max_attempts=1, deadline_seconds=60.0)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


@contextmanager
def scripted_server(*script, host="127.0.0.1"):
    """Serve connections one after the other: to each request on one, the next of its answers; then it is closed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:

        def serve():
            for answers in script:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as requests:
                    for answer in answers:
                        while requests.readline() not in (b"\r\n", b""):
                            pass
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{listener.getsockname()[1]}/a"
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def fetcher():
    made = Fetcher(ONCE)
    yield made
    made.close()


def wait_for_idle(fetcher):
    """Wait until a connection that is kept open has something to read: bytes, or its end."""
    [[connection]] = fetcher._connections()._idle.values()
    assert select.select([connection.sock], [], [], 60)[0]


def test_a_connection_that_the_server_closed_meanwhile_is_made_again(fetcher):
    with scripted_server([GOOD], [GOOD]) as url:
        assert fetcher(url).data == b"good"
        wait_for_idle(fetcher)
        assert fetcher(url).attempts == 1


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(fetcher):
    goodbye = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with scripted_server([GOOD + goodbye], [GOOD]) as url:
        assert fetcher(url).http_status == 200
        wait_for_idle(fetcher)
        assert fetcher(url).http_status == 200


def test_a_connection_that_the_server_is_going_to_close_is_not_kept(fetcher):
    with scripted_server([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup to the end"]) as url:
        assert fetcher(url).data == b"up to the end"
        assert fetcher._connections().count() == 0


@pytest.mark.parametrize("in_scratch", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ngoo\r\n1\r\nd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        % len(gzip.compress(b"good", mtime=0))
        + gzip.compress(b"good", mtime=0),
        b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
    ],
    ids=["announced", "chunked", "gzip", "continued"],
)
def test_a_body_comes_however_it_is_sent_and_the_connection_is_kept(fetcher, answer, in_scratch):
    with scripted_server([answer, answer]) as url:
        for _ in range(2):
            assert bytes(fetcher(url, in_scratch=in_scratch).data) == b"good"
        assert fetcher._connections().count() == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ngood", "ended after 4 of 9 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ngood", "IncompleteRead"),
        (b"nonsense\r\n\r\n", "nonsense"),
        (b"", "closed connection without response"),
    ],
)
def test_half_a_body_or_no_answer_is_an_error_and_the_connection_is_not_kept(fetcher, answer, message):
    with scripted_server([answer]) as url:
        with pytest.raises(ConnectionFailedError, match=message) as caught:
            fetcher(url)
        assert not caught.value.is_final
        assert fetcher._connections().count() == 0


def test_an_encoded_body_that_is_announced_too_long_is_not_begun():
    fetcher = Fetcher(FetchPolicy(max_attempts=1, max_bytes=10))
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n"
    with scripted_server([answer]) as url, pytest.raises(WrongContentError, match="has 11 bytes, more than"):
        fetcher(url)
    fetcher.close()


def test_only_data_that_was_asked_for_in_scratch_memory_is_overwritten(fetcher):
    evil = GOOD.replace(b"good", b"evil")
    with scripted_server([GOOD, GOOD, evil]) as url:
        data, scratch = fetcher(url).data, fetcher(url, in_scratch=True).data
        assert (data, scratch) == (b"good", b"good")
        fetcher(url, in_scratch=True)
        assert (data, scratch) == (b"good", b"evil")


def test_a_body_that_is_too_large_to_keep_memory_for_comes_whole(fetcher):
    body = bytes(range(256)) * (MAX_FILE_BYTES // 256) + b"!"
    with scripted_server([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body]) as url:
        assert fetcher(url, in_scratch=True).data == body


def test_a_host_may_be_an_ipv6_address(fetcher):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with scripted_server([GOOD], host="::1") as url:
        assert fetcher(url).data == b"good"


def test_the_connections_of_the_host_that_was_used_longest_ago_are_closed(fetcher, monkeypatch):
    monkeypatch.setattr(connections, "MAX_HOSTS", 2)
    with ExitStack() as stack:
        servers = [stack.enter_context(fault_server()) for _ in range(3)]
        for server in servers:
            server.files["/a"] = b"good"
        for number in (0, 1, 0, 2, 0, 1):  # when the third comes, the second has to go
            fetcher(f"{servers[number].url}/a")
        assert [server.n_connections for server in servers] == [1, 2, 1]
        assert fetcher._connections().count() == 2


def test_no_more_connections_are_kept_than_wanted_and_none_after_the_end():
    kept = Connections(n_per_host=1, allow_private_addresses=True, verify_tls=True)

    def ask(url):
        return kept.send(parse_url(url), {}, deadline=monotonic() + 60, connect_timeout=60, read_timeout=60)

    with fault_server() as server:
        for exchange in [ask(f"{server.url}/x") for _ in range(3)]:
            exchange.end()
        assert server.n_connections == 3
        assert kept.count() == 1
        exchange = ask(f"{server.url}/x")
        kept.close()
        exchange.end()
        assert kept.count() == 0
    kept.watchdog.forget()


def test_a_watchdog_that_has_gone_home_comes_back(monkeypatch):
    monkeypatch.setattr(watchdog, "_INTERVAL_SECONDS", 0.001)
    dog = Watchdog()
    before = set(threading.enumerate())
    for _ in range(2):
        one, other = socket.socketpair()
        with one, other:
            dog.watch(one, monotonic())
            [thread] = set(threading.enumerate()) - before
            assert one.recv(1) == b""  # cut, and not waiting
            dog.forget()
            thread.join(60)
            assert not thread.is_alive()
