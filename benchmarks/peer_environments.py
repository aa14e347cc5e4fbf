"""Environments with the peers, made once under ``.peers/`` beside the sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parents[1] / ".peers"

# wildebeest 5.0.0 writes its report in a way that pandas 3 refuses; img2dataset's own pins leave pandas open.
REQUIREMENTS = {
    "wildebeest": ["wildebeest==5.0.0", "pandas<3"],
    "img2dataset": ["img2dataset==1.47.0", "pandas<3"],
    "bare": ["urllib3==2.8.0", "requests==2.34.2"],
}
CHECKS = {
    "wildebeest": "import wildebeest, joblib",
    "img2dataset": "import img2dataset",
    "bare": "import urllib3, requests",
}


class PeerMissingError(Exception):
    """A peer cannot be installed here."""


def find_python(peer: str) -> Path:
    """Return the Python that has a peer, after installing it when it is not there.

    Raises
    ------
    PeerMissingError
        When it cannot be installed; the message says why.
    """
    folder = PEERS / peer
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if done.exists():
        return python
    _run([sys.executable, "-m", "venv", "--clear", folder])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", *REQUIREMENTS[peer]])
    try:
        _run([python, "-c", CHECKS[peer]])
    except PeerMissingError:
        # OpenCV's other wheel needs no display libraries.
        _run([*pip, "uninstall", "--yes", "opencv-contrib-python"])
        _run([*pip, "install", "opencv-contrib-python-headless"])
        _run([python, "-c", CHECKS[peer]])
    done.touch()
    return python


def describe_versions(peer: str, packages: tuple[str, ...]) -> str:
    """Return the versions of packages in a peer's environment."""
    code = f"from importlib.metadata import version; print(', '.join(f'{{p}} {{version(p)}}' for p in {packages!r}))"
    return _run([PEERS / peer / "bin" / "python", "-c", code]).strip()


def _run(command: list[str | Path]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        raise PeerMissingError(lines[-1])
    return done.stdout
