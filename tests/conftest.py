"""What several test modules share: real photographs, the services of a machine, and a Luigi nobody has touched."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

PHOTOGRAPHS = {
    "cats": ["chelsea.png"],
    "people": ["astronaut.png", "retina.jpg"],
    "space": ["hubble_deep_field.jpg", "rocket.jpg"],
    "things": ["coffee.png", "motorcycle_left.png", "motorcycle_right.png"],
}


def pytest_collection_finish() -> None:
    """Take what was imported for all tests off what is searched for garbage, which half a million objects make slow."""
    gc.freeze()


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of eight real photographs in folders that are their labels. Read only: copy it to change it."""
    # Found without importing scikit-image, which takes a second.
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data"
    folder = tmp_path_factory.mktemp("photographs")
    for label, names in PHOTOGRAPHS.items():
        (folder / label).mkdir()
        for name in names:
            shutil.copyfile(source / name, folder / label / name)
    return folder


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test; with TINTYPE_REQUIRE_SERVICES=1 it fails instead."""
    if os.environ.get("TINTYPE_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason}, and TINTYPE_REQUIRE_SERVICES=1 forbids to skip it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require_service() -> Callable[[str], str]:
    """Return a function that finds a program, or skips or fails the test."""

    def find_or_skip(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            skip_or_fail(f"this test needs the program {name}, which is not on PATH")
        return path

    return find_or_skip


@pytest.fixture
def cv2() -> Any:
    """Return OpenCV, or skip or fail the test."""
    if importlib.util.find_spec("cv2") is None:
        skip_or_fail("this test needs OpenCV: pip install 'tintype[faces]'")
    return importlib.import_module("cv2")


@pytest.fixture(autouse=True, scope="module")
def _leave_nothing_open() -> Iterator[None]:
    """Collect garbage at the end of each module, so that what it left open fails there and not in any test after it."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _clean_luigi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty configuration, no tasks from other tests, and Luigi's logging left to pytest.

    Programs that a test starts read ``luigi.cfg`` of their own current folder, as a user's would.
    """
    from luigi.configuration import LuigiConfigParser
    from luigi.setup_logging import InterfaceLogging
    from luigi.task_register import Register

    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.delenv("LUIGI_CONFIG_PARSER", raising=False)
    monkeypatch.setattr(LuigiConfigParser, "_config_paths", [])
    monkeypatch.setattr(LuigiConfigParser, "_instance", None)
    # Otherwise the first luigi.build of a session logs to that test's stderr for ever.
    monkeypatch.setattr(InterfaceLogging, "_configured", True)
    Register.clear_instance_cache()
