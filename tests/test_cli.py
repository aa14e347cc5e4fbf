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
from tintype.cli.error_summary import shorten, summarize_errors
from tintype.cli.tables import print_table, write_csv, write_json_lines
from tintype.manifest import Manifest, ManifestWriter
from tintype.manifest.schema import FIXED_COLUMNS, columns_schema
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
    assert [line.split()[0] for line in lines] == ["inpath", "label/a.txt", "label/b.txt", "label/c.txt"]


def test_show_shows_the_columns_that_are_asked_for(workplace, capsys):
    assert main(["show", "data/raw/Texts", "--columns", "outpath,label", "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "outpath      label\nlabel/a.txt  label\n"
    assert captured.err == "the first 1 of 3 rows; see more with --limit\n"


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
    captured = capsys.readouterr()
    (_, row) = captured.out.splitlines()
    assert row.split(maxsplit=3)[:3] == ["label/b.txt", "failed", "ValueError"]
    assert "invalid literal for int() with base 10: 'two'" in row
    assert captured.err == "1 row of a build that was not published\n"


def test_show_failed_shows_nothing_but_the_header_when_nothing_failed(workplace, capsys):
    assert main(["show", "--failed", "data/raw/Texts"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def make_manifest(path, rows):
    with ManifestWriter(path, columns_schema({"label": str})) as writer:
        writer.write({name: [row.get(name) for row in rows] for name in [*FIXED_COLUMNS, "label"]})
    return Manifest(path)


def make_published(folder, rows):
    """Publish a directory whose manifest has some rows; return its path."""
    Texts(base_dir=str(folder)).run()
    make_manifest(folder / "raw" / "Texts" / "_manifest.parquet", rows)
    return str(folder / "raw" / "Texts")


def test_show_where_shows_the_rows_that_meet_a_condition_and_says_of_how_many(workplace, capsys):
    assert main(["show", "data/raw/Texts", "--where", "size_bytes > 1", "--columns", "inpath,size_bytes"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "inpath       size_bytes\nlabel/b.txt           3\n"
    assert captured.err == "1 of 3 rows\n"


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ([], "3 rows"),
        (["-n", "3"], "3 rows"),
        (["-n", "0"], "the first 0 of 3 rows; see more with --limit"),
        (["--where", "size_bytes == 1", "-n", "1"], "the first 1 of 2 of 3 rows; see more with --limit"),
        (["--where", "size_bytes > 9"], "0 of 3 rows"),
        (["--where", "size_bytes < 9"], "3 rows"),
    ],
)
def test_show_says_how_many_rows_there_are(workplace, capsys, arguments, total):
    assert main(["show", "data/raw/Texts", *arguments]) == 0
    assert capsys.readouterr().err == f"{total}\n"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("size_bytes >", "condition 'size_bytes >', character"),
        ("label == 3", "condition 'label == 3', character 1: the column label holds text, and 3 is no text"),
        ("lable == 'a'", "character 1: there is no column lable (text stands in quotes); there are inpath, outpath"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"], ["--errors"]])
def test_a_wrong_condition_is_one_sentence_and_status_2(workplace, capsys, condition, words, form):
    assert main(["show", "data/raw/Texts", "--where", condition, *form]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_show_failed_and_dropped_go_together_and_with_a_condition(workplace, tmp_path, capsys):
    rows = [{"inpath": status, "status": status, "label": "x"} for status in ("written", "dropped", "failed")]
    folder = make_published(tmp_path / "other", rows)
    for arguments, found in {
        ("--failed",): ["failed"],
        ("--dropped",): ["dropped"],
        ("--failed", "--dropped"): ["dropped", "failed"],
        ("--failed", "--dropped", "--where", "inpath < 'e'"): ["dropped"],
        ("--failed", "--where", "label != 'x'"): [],
    }.items():
        assert main(["show", folder, *arguments, "--json", "--columns", "inpath"]) == 0
        assert [json.loads(line)["inpath"] for line in capsys.readouterr().out.splitlines()] == found


def test_show_failed_chooses_among_the_failures_of_a_build_that_was_not_published(workplace, capsys):
    with pytest.raises(RuntimeError, match="was not published"):
        Numbers().run()
    for condition, n_rows in {"contains(error, 'two')": 1, "contains(error, 'three')": 0}.items():
        assert main(["show", "--failed", "data/interim/Numbers", "--json", "--where", condition]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(rows) == n_rows
    assert main(["show", "--errors", "data/interim/Numbers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "rows": 1,
        "error_type": "ValueError",
        "error": "invalid literal for int() with base #: '...'",
        "first_inpath": "label/b.txt",
    }
    assert main(["show", "--failed", "data/interim/Numbers", "--columns", "number"]) == 1
    assert "has no column number: it has inpath" in capsys.readouterr().err


def test_show_errors_counts_them_most_frequent_first(workplace, tmp_path, capsys):
    errors = [("OSError", f"{n}.png: truncated ({n} bytes)") for n in range(3)] + [("ValueError", "no face")]
    rows = [
        {"inpath": f"{n}.png", "status": "failed", "error_type": kind, "error": error}
        for n, (kind, error) in enumerate([errors[3], *errors])
    ]
    folder = make_published(tmp_path / "other", [{"inpath": "x", "status": "written"}, *rows])
    assert main(["show", folder, "--errors"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["rows", "error_type", "error", "first_inpath"]
    assert lines[1] == ["3", "OSError", "#.png:", "truncated", "(#", "bytes)", "1.png"]
    assert lines[2] == ["2", "ValueError", "no", "face", "0.png"]
    assert main(["show", folder, "--errors", "-n", "1", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_kinds_of_errors_beyond_the_most_are_counted_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tintype.cli.error_summary._MOST_KINDS", 2)
    rows = [{"inpath": name, "status": "failed", "error": name} for name in "abacdd"]
    found = summarize_errors(make_manifest(tmp_path / "m", rows))
    assert sorted(found, key=repr) == [(1, None, "b", "b"), (2, None, "a", "a"), (3, None, None, "c")]


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("", ""),
        ("no face", "no face"),
        ("first line\nsecond line", "first line"),
        ("can't read 'a b.png' twice", "can't read '...' twice"),
        ("https://a.org/b/7.png answered 404 Not Found", "... answered 404 Not Found"),
        ("image/png is no image/jpeg", "image/png is no image/jpeg"),
        ("cats/7.png: broken", "...: broken"),
        ("x" * 500, "x" * 117 + "..."),
    ],
)
def test_what_differs_from_file_to_file_is_left_out_of_an_error(message, short):
    assert shorten(message) == short


@pytest.mark.parametrize("write", [write_csv, write_json_lines])
def test_rows_are_written_while_they_are_read(capsys, write):
    def rows():
        yield from ([number, "x"] for number in range(100))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write(["number", "text"], rows())
    assert "99" in capsys.readouterr().out


@pytest.mark.parametrize("n_rows", [0, 1, 2500])
def test_text_is_aligned_by_the_first_rows_and_streams_on(capsys, n_rows):
    rows = ([number, "line\nbreak", None, 0.123456789] for number in range(n_rows))
    assert print_table(["n", "text", "none", "share"], rows, limit=10_000) == (n_rows, True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == n_rows + 1
    assert len(set(map(len, lines[1:]))) <= 2
    if n_rows:
        assert lines[1].split() == ["0", r"'line\nbreak'", "0.123457"]


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


# diff


def test_diff_of_equal_directories_says_so_without_reading(workplace, tmp_path, capsys):
    Texts(base_dir="other").run()
    (tmp_path / "other/raw/Texts/_manifest.parquet").unlink()
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--exit-code"]) == 0
    assert capsys.readouterr().out.startswith("equal: 3 rows, 5 bytes, both with the digest ")
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["is_empty"], found["n_unchanged"], found["n_added"]) == (True, 3, 0)


def change_texts():
    """Publish the texts again, elsewhere: one gone, one new and one changed."""
    Path("texts/label/a.txt").unlink()
    Path("texts/label/b.txt").write_text("seven")
    Path("texts/label/d.txt").write_text("8")
    Texts(base_dir="other").run()


def test_diff_says_what_was_added_removed_and_changed(workplace, capsys):
    change_texts()
    assert main(["diff", "data/raw/Texts", "other/raw/Texts"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "1 added, 1 removed, 1 changed, 1 unchanged",
        "files: 3 -> 3",
        "bytes: 5 -> 7 (+2)",
        "rows by status: written 3 -> 3",
        "changed rows by column: digest 1, size_bytes 1",
        "",
        "change   result       bytes        columns",
        "removed  label/a.txt  1",
        "added    label/d.txt  1",
        "changed  label/b.txt  3 -> 5 (+2)  digest",
    ]
    assert captured.err == ""
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--exit-code", "--summary"]) == 1
    assert "label/" not in capsys.readouterr().out


def test_diff_writes_json_with_the_summary_first(workplace, capsys):
    change_texts()
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--json"]) == 0
    summary, *rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (summary["n_added"], summary["n_removed"], summary["n_changed"]) == (1, 1, 1)
    assert [row["change"] for row in rows] == ["removed", "added", "changed"]
    assert rows[2]["columns"]["size_bytes"] == [3, 5]
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--json", "--summary"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_diff_compares_the_columns_that_are_asked_for(workplace, capsys):
    change_texts()
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--columns", "label,inpath"]) == 0
    assert "1 added, 1 removed, 0 changed, 2 unchanged" in capsys.readouterr().out
    assert main(["diff", "data/raw/Texts", "other/raw/Texts", "--columns", "colour"]) == 1
    assert "neither manifest has a column colour: there are inpath" in capsys.readouterr().err


def test_diff_reads_manifest_files_and_shows_old_and_new_values(tmp_path, capsys):
    make_manifest(tmp_path / "a", [{"outpath": "1.png", "status": "written", "label": "cat", "size_bytes": 4}])
    rows = [{"outpath": "1.png", "status": "written", "label": None}, {"inpath": "x", "status": "failed"}]
    make_manifest(tmp_path / "b", [*rows, {"inpath": "y", "status": "failed"}])
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "b"), "-n", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-2:] == [
        "added    x (failed)",
        "changed  1.png       4 -> 0 (-4)  label 'cat' -> None",
    ]
    assert captured.err == "the first 1 of each kind; see more with --limit\n"
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "a"), "--exit-code"]) == 0
    assert capsys.readouterr().out.startswith("0 added, 0 removed, 0 changed, 1 unchanged\n")


def test_diff_of_rows_without_a_file_reads_them_though_the_digests_are_equal(workplace, capsys):
    class SomeNumbers(Numbers):
        max_failure_rate = 0.5

    for base_dir, text in {"one": "two", "other": "2", "third": "three"}.items():
        Path("texts/label/b.txt").write_text(text)
        task = SomeNumbers(base_dir=base_dir)
        task.requires().run()
        task.run()
    assert main(["diff", "one/interim/SomeNumbers", "other/interim/SomeNumbers", "--summary"]) == 0
    out = capsys.readouterr().out
    assert "1 added, 1 removed, 0 changed, 2 unchanged" in out
    assert "rows by status: failed 1 -> 0, written 2 -> 3" in out
    assert main(["diff", "one/interim/SomeNumbers", "third/interim/SomeNumbers", "--exit-code"]) == 1
    assert "base 10: 'two'\" -> \"invalid literal" in capsys.readouterr().out
    assert main(["diff", "one/interim/SomeNumbers", "one/interim/SomeNumbers", "--exit-code"]) == 0
    assert capsys.readouterr().out.startswith("equal: 3 rows")


def test_diff_with_a_directory_that_is_not_published_is_one_sentence_and_status_1(workplace, capsys):
    assert main(["diff", "data/raw/Texts", "data/interim/Nothing"]) == 1
    assert capsys.readouterr().err == "tintype: data/interim/Nothing is not published: build its stage first\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["show"],
        ["nothing"],
        ["show", "x", "--csv", "--json"],
        ["show", "x", "-n", "-1"],
        ["show", "x", "-n", "many"],
        ["diff", "x"],
        ["diff", "x", "y", "--csv"],
    ],
)
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


@pytest.mark.parametrize("command", ["show", "diff"])
def test_the_help_of_a_command_has_examples(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"examples:\n  tintype {command} data/" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["show", "data/raw/Texts"], ["diff", "data/raw/Texts", "other/raw/Texts"]])
def test_a_table_is_drawn_on_a_terminal(workplace, arguments):
    change_texts()
    program = Path(sys.executable).with_name("tintype")
    terminal, side = pty.openpty()
    shown = subprocess.run([program, *arguments], stdout=side, env={**os.environ, "COLUMNS": "160"})
    os.close(side)
    text = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert shown.returncode == 0
    assert "label/b.txt" in text
    assert "┃" in text
