"""The ``tintype`` command, as a user types it."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import luigi
import pytest

from tintype.cli import main
from tintype.pipelines import Pipeline
from tintype.raw import ImportFolder
from tintype.tasks import FileStage


class Texts(ImportFolder):
    folder = luigi.Parameter(default="texts")


class Numbers(FileStage):
    """A number for each text; a text that is none fails."""

    layer = "interim"
    recorded_columns = {"number": int}

    def requires(self):
        return Texts(base_dir=self.base_dir)

    def pipeline(self):
        return Pipeline(load_func=read_number, write_func=write_number)


def read_number(path):
    return int(Path(path).read_text())


def write_number(number, path):
    Path(path).write_text(str(number))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"a.txt": "1", "b.txt": "two", "c.txt": "3"}.items():
        path = tmp_path / "texts" / "label" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    Texts().run()
    return tmp_path


def test_show_prints_one_line_a_row_into_a_pipe(workplace, capsys):
    assert main(["show", "data/raw/Texts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["inpath", "label/a.txt", "label/b.txt", "label/c.txt"]


def test_show_shows_the_columns_that_are_asked_for(workplace, capsys):
    assert main(["show", "data/raw/Texts", "--columns", "outpath,label", "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "outpath\tlabel\nlabel/a.txt\tlabel\n"
    assert captured.err == "the first 1 rows; see more with --limit\n"


def test_show_names_the_columns_there_are_when_one_is_unknown(workplace, capsys):
    assert main(["show", "data/raw/Texts", "--columns", "colour"]) == 1
    assert "has no column colour: it has inpath, outpath, status" in capsys.readouterr().err


def test_show_writes_csv_and_json_that_can_be_read_back(workplace, capsys):
    main(["show", "data/raw/Texts", "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["inpath"] for row in rows] == ["label/a.txt", "label/b.txt", "label/c.txt"]
    main(["show", "data/raw/Texts", "--json", "--columns", "inpath,size_bytes"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == {"inpath": "label/b.txt", "size_bytes": 3}


def test_show_failed_finds_the_failures_of_a_build_that_was_not_published(workplace, capsys):
    with pytest.raises(RuntimeError, match="tintype show --failed data/interim/Numbers"):
        Numbers().run()
    assert main(["show", "--failed", "data/interim/Numbers"]) == 0
    (_, row) = capsys.readouterr().out.splitlines()
    assert row.startswith("label/b.txt\t\tfailed\tValueError\tinvalid literal for int() with base 10: 'two'")


def test_show_failed_shows_nothing_but_the_header_when_nothing_failed(workplace, capsys):
    assert main(["show", "--failed", "data/raw/Texts"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_directory_that_is_not_published_is_one_sentence_and_status_1(workplace, capsys, command):
    assert main([command, "data/interim/Nothing"]) == 1
    assert capsys.readouterr().err == "tintype: data/interim/Nothing is not published: build its stage first\n"


def test_verify_names_what_is_missing_changed_and_extra(workplace, capsys):
    assert main(["verify", "data/raw/Texts", "--deep"]) == 0
    assert capsys.readouterr().out == "data/raw/Texts: 3 files, all as the manifest says\n"
    folder = Path("data/raw/Texts/label")
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_text("six")  # as long as before
    (folder / "new\nline.txt").write_text("")
    assert main(["verify", "data/raw/Texts"]) == 1
    assert "1 missing, 1 extra" in capsys.readouterr().out
    assert main(["verify", "data/raw/Texts", "--deep"]) == 1
    out = capsys.readouterr().out
    assert "  missing: label/a.txt\n  changed: label/b.txt\n  extra: 'label/new\\nline.txt'\n" in out
    assert main(["verify", "data/raw/Texts", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == ["label/a.txt"]


@pytest.mark.parametrize("arguments", [[], ["show"], ["nothing"], ["show", "x", "--csv", "--json"]])
def test_wrong_usage_is_status_2(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_the_program_is_installed_and_says_its_version():
    program = Path(sys.executable).with_name("tintype")
    shown = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert shown.stdout.startswith("tintype 0.")


def test_a_reader_that_has_seen_enough_is_no_error(workplace):
    program = Path(sys.executable).with_name("tintype")
    shown = subprocess.run(
        f"{program} show data/raw/Texts --json | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert shown.returncode == 0
    assert shown.stderr == ""


def test_a_table_is_drawn_on_a_terminal(workplace):
    program = Path(sys.executable).with_name("tintype")
    terminal, side = pty.openpty()
    shown = subprocess.run([program, "show", "data/raw/Texts"], stdout=side, env={**os.environ, "COLUMNS": "160"})
    os.close(side)
    text = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert shown.returncode == 0
    assert "label/b.txt" in text
    assert "┃" in text
