"""Environments with the peers, made once under ``.peers/`` beside the sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parents[1] / ".peers"

# wildebeest 5.0.0 writes its report in a way that pandas 3 refuses; img2dataset's own pins leave pandas open.
REQUIREMENTS = {
    "wildebeest": ["wildebeest==5.0.0", "pandas<3"],
    "creevey": ["creevey==1.3.3"],
    "img2dataset": ["img2dataset==1.47.0", "pandas<3"],
    "seqtools": ["SeqTools==1.4.1", "Pillow==13.0.0", "numpy==2.4.6"],
    "pyvips": ["pyvips[binary]==3.2.0"],
    "scikit-image": ["scikit-image==0.26.0"],
    # What the loops without a framework call.
    "bare": [
        "urllib3==2.8.0",
        "requests==2.34.2",
        "Pillow==13.0.0",
        "opencv-python-headless>=4.10,<5",
        "simplejpeg==1.9.0",
    ],
}
CHECKS = {
    "wildebeest": "import wildebeest, joblib",
    "creevey": "import creevey",
    "img2dataset": "import img2dataset",
    "seqtools": "import seqtools, PIL, numpy",
    "pyvips": "import pyvips",
    "scikit-image": "import skimage",
    "bare": "import urllib3, requests, PIL, cv2, simplejpeg",
}


class PeerMissingError(Exception):
    """A peer cannot be installed here."""


def find_python(peer: str) -> Path:
    """Return the Python that has a peer, after installing what is not there.

    Raises
    ------
    PeerMissingError
        When it cannot be installed; the message says why.
    """
    folder = PEERS / peer
    python = folder / "bin" / "python"
    done = folder / ".installed"
    wanted = "\n".join(REQUIREMENTS[peer])
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return python
    if not done.exists():
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
    done.write_text(wanted, encoding="utf-8")
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
