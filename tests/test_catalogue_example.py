"""The example in examples/catalogue runs, as its reader would run it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tintype.load_funcs import load_image
from tintype.ops import find_faces
from tintype.targets import DirectoryTarget

FOLDER = Path(__file__).parents[1] / "examples" / "catalogue"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
BUILD = "luigi --module catalogue Catalogue --local-scheduler"


@pytest.fixture
def workplace(tmp_path):
    if importlib.util.find_spec("toml") is None or importlib.util.find_spec("sqlalchemy") is None:
        pytest.skip("this test needs what the example needs: pip install 'luigi[toml]' 'tintype[sql]'")
    return shutil.copytree(FOLDER, tmp_path / "catalogue", ignore=shutil.ignore_patterns("data", "__pycache__"))


@pytest.fixture
def requests(workplace, monkeypatch):
    """Serve the photographs, write the lists, and count what is asked for."""
    spec = importlib.util.spec_from_file_location("photo_server", workplace / "photo_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    counted: Counter[str] = Counter()

    class Counting(module.Handler):  # type: ignore[misc, name-defined]
        def do_GET(self):  # noqa: N802, the name is http.server's
            counted[self.path.partition("?")[0].strip("/")] += 1
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.chdir(workplace)
        module.write_lists(f"http://127.0.0.1:{server.server_port}")
        yield counted
        server.shutdown()


def environment():
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**variables, "PATH": programs, "PYTHONDONTWRITEBYTECODE": "1"}


def run(workplace, command=BUILD):
    return subprocess.run(
        f"export PYTHONPATH=. LUIGI_CONFIG_PARSER=toml\n{command}",
        shell=True,
        cwd=workplace,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def build(workplace):
    ran = run(workplace)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stderr


def change(workplace, old, new):
    path = workplace / "luigi.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def only(workplace, place):
    found = list(workplace.glob(f"data/{place}*"))
    assert len(found) == 1
    return DirectoryTarget(found[0])


def rows(target):
    return {row["id"]: row for row in target.manifest().rows()}


def test_the_readmes_commands_run_with_the_server_as_it_is(workplace):
    block = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)[0]
    lines = block.splitlines()
    assert lines[:3] == [
        "cd examples/catalogue",
        "pip install 'luigi[toml]' 'tintype[sql]'",
        "python photo_server.py &",
    ]
    server = subprocess.Popen(
        [sys.executable, "photo_server.py", "0"], cwd=workplace, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("catalogue.csv and catalogue.sqlite list the photographs at http:")
        for expected in ("3 ran successfully", "complete ones were encountered"):
            ran = subprocess.run(
                "\n".join(lines[3:]),
                shell=True,
                cwd=workplace,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert ran.returncode == 0, ran.stderr
            assert expected in ran.stderr
    finally:
        server.terminate()
        server.wait(timeout=30)
        assert server.stdout is not None
        server.stdout.close()
    for line in re.findall(r"^(data/\S+?)/ ", README, re.M):
        assert (workplace / line).is_dir()


def test_every_parameter_of_the_catalogue_stands_in_the_one_file(workplace):
    text = (workplace / "luigi.toml").read_text(encoding="utf-8")
    listed = run(workplace, "luigi --module catalogue Catalogue --help").stdout
    names = {name.replace("-", "_") for name in re.findall(r"--Catalogue-([\w-]+)", listed)} - {"base_dir", "n_jobs"}
    assert {"urls", "store_raw", "face_pad"} <= names
    assert [name for name in sorted(names) if not re.search(rf"^(# )?{name} = ", text, re.M)] == []


def test_photographs_are_without_faces_small_trimmed_and_split_by_product(workplace, requests):
    build(workplace)
    assert requests == Counter(dict.fromkeys(requests, 1))
    assert len(requests) == 8
    prepared = only(workplace, "interim/Prepared")
    known = rows(prepared)
    assert known["000"]["n_faces"] == 1
    assert (known["000"]["label"], known["000"]["product"]) == ("clothes", "suit")
    astronaut = load_image(prepared.folder / "north" / "000.jpg")
    assert find_faces(astronaut) == []
    sides = {number: load_image(prepared.folder / row["outpath"]).shape[:2] for number, row in known.items()}
    assert max(max(shape) for shape in sides.values()) == 448
    assert min(sides["005"]) < 400  # the rocket stands in front of a plain sky
    split = only(workplace, "processed/Catalogue")
    parts = {number: row["part"] for number, row in rows(split).items()}
    assert set(parts.values()) == {"train", "valid"}
    assert parts["003"] == parts["004"]  # two photographs of one motorcycle
    raw = only(workplace, "raw/Photos")
    assert (raw.folder / "south" / "003.png").is_file()
    for target in (raw, prepared, split):
        assert target.verify(deep=True).ok


@pytest.mark.slow
def test_a_changed_setting_prepares_again_and_fetches_nothing(workplace, requests):
    build(workplace)
    change(workplace, "max_side = 448", "max_side = 100")
    explained = run(workplace, "tintype explain --module catalogue Catalogue")
    assert "Photos" not in explained.stdout
    build(workplace)
    assert set(requests.values()) == {1}
    prepared = DirectoryTarget(workplace / "data/interim/Prepared-max_side=100")
    assert max(max(load_image(path).shape[:2]) for path in prepared.files()) == 100


@pytest.mark.slow
def test_the_list_may_come_from_a_database(workplace, requests):
    change(workplace, 'urls = "catalogue.csv"', 'urls = "sqlite:///catalogue.sqlite"')
    change(workplace, "# query = ", "query = ")
    build(workplace)
    assert len(rows(only(workplace, "processed/Catalogue"))) == 8


@pytest.mark.slow
def test_raw_files_are_kept_or_not(workplace, requests):
    change(workplace, "store_raw = true", "store_raw = false")
    build(workplace)
    assert not (workplace / "data" / "raw").exists()
    at_once = only(workplace, "interim/PreparedAtOnce")
    straight = {number: (row["outpath"], row["digest"]) for number, row in rows(at_once).items()}
    assert len(straight) == 8
    change(workplace, "store_raw = false", "store_raw = true")
    build(workplace)
    kept = rows(DirectoryTarget(workplace / "data" / "interim" / "Prepared"))
    assert {number: (row["outpath"], row["digest"]) for number, row in kept.items()} == straight


@pytest.mark.slow
def test_a_photograph_that_is_gone_is_a_row_and_too_many_fail_the_command(workplace, requests):
    path = workplace / "catalogue.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("rocket.jpg", "gone.jpg"), encoding="utf-8")
    ran = run(workplace)
    assert ran.returncode == 30
    assert "1 of 8 files failed" in ran.stderr
    assert "gone.jpg" in ran.stderr
    copies = [line.replace(",0", f",{number}", 1) for number in (1, 2) for line in text.splitlines()[1:]]
    path.write_text(path.read_text(encoding="utf-8") + "\n".join(copies) + "\n", encoding="utf-8")
    build(workplace)
    raw = only(workplace, "raw/Photos")
    assert [row["error_type"] for row in raw.manifest().rows() if row["status"] == "failed"] == ["HttpStatusError"]
