"""Servers on the loopback address, each for as long as a ``with`` block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from measure import CASES

_NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ image/jpeg jpg; }}
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {root};
    }}
}}
"""


class ServerMissingError(Exception):
    """A server cannot be started here; the message says why."""


@contextmanager
def run_nginx(root: Path, folder: Path) -> Iterator[str]:
    """Serve the files of `root` by nginx, with a configuration of its own in `folder`; give the URL.

    Raises
    ------
    ServerMissingError
        When nginx is not installed, or does not start.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise ServerMissingError("nginx is not installed (Debian's nginx-light is enough)")
    folder.mkdir(parents=True, exist_ok=True)
    port = _find_port()
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not read what root owns
    configuration.write_text(_NGINX.format(user=user, folder=folder.resolve(), root=root.resolve(), port=port))
    errors = folder / "start.log"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [nginx, "-p", folder.resolve(), "-e", "start.log", "-c", configuration.resolve()], stdout=log, stderr=log
        )
    try:
        _wait_for(port, process, errors)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def run_slow_server(root: Path, wait_seconds: float) -> Iterator[str]:
    """Serve the photographs of `root`, each answer after `wait_seconds`; give the URL."""
    process = subprocess.Popen(
        [sys.executable, CASES / "slow_server.py", root, str(wait_seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise ServerMissingError("the slow server did not start")
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _find_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], errors: Path) -> None:
    deadline = monotonic() + 10
    while monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            sleep(0.02)
        else:
            return
    lines = errors.read_text(errors="replace").splitlines() or ["it took no connection"]
    raise ServerMissingError(f"nginx did not start: {lines[-1]}")
