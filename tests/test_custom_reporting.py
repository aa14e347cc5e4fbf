"""CustomReportingPipeline: functions that are handed inpath and log_dict."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config

from tintype import CustomReportingPipeline, Pipeline, ops, record
from tintype.errors import FileError
from tintype.load_funcs import load_image
from tintype.pipelines.custom_reporting import LogDict
from tintype.raw import ImportFolder
from tintype.records import current_file
from tintype.tasks import FileStage
from tintype.write_funcs import write_image

PATIENCE_SECONDS = 60


def load_text(path, log_dict):
    text = Path(path).read_text()
    log_dict[path]["n_loaded"] = len(text)
    return text


def count_letters(text, inpath, log_dict):
    log_dict[inpath]["n_letters"] = len(text)
    return text


def double(text, **kwargs):
    assert set(kwargs) == {"inpath", "log_dict"}
    return text * 2


def write_text(text, path, inpath, log_dict):
    log_dict[inpath]["n_written"] = len(text)
    Path(path).write_text(text)


FULL = CustomReportingPipeline(load_text, [count_letters, str.upper, double], write_text)


@pytest.fixture
def inpaths(tmp_path):
    paths = [tmp_path / f"{name}.txt" for name in ("a", "bb", "ccc")]
    for path in paths:
        path.write_text(path.stem)
    return paths


def to_done(path):
    return f"{path}.done"


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_load_ops_and_write_add_columns_to_the_row_of_their_file(inpaths, executor, kind):
    report = FULL.run([kind(path) for path in inpaths], to_done, n_jobs=2, executor=executor)
    columns = ["n_loaded", "n_letters", "n_written"]
    assert report[columns].to_numpy().tolist() == [[1, 1, 2], [2, 2, 4], [3, 3, 6]]
    assert {str(dtype) for dtype in report[columns].dtypes} == {"Int64"}
    assert [Path(path).read_text() for path in report["outpath"]] == ["AA", "BBBB", "CCCCCC"]


def test_files_that_are_left_out_have_missing_values(inpaths):
    FULL.run(inpaths[:1], to_done, n_jobs=1)
    report = FULL.run(inpaths, to_done, n_jobs=1, skip_existing=True)
    assert list(report["skipped_existing"]) == [True, False, False]
    assert list(report["n_letters"].fillna(-1)) == [-1, 2, 3]


def test_a_file_that_fails_keeps_what_was_logged_before(inpaths):
    def fail(text, inpath, log_dict):
        log_dict[inpath]["n_tried"] = 1
        raise ValueError("no")

    pipeline = CustomReportingPipeline(load_text, [count_letters, fail])
    report = pipeline.run(inpaths, None, n_jobs=2, exceptions_to_catch=ValueError)
    assert report[["n_loaded", "n_letters", "n_tried"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 1], [3, 3, 1]]


def test_later_functions_read_what_earlier_ones_logged_in_a_run_and_for_one_file(inpaths):
    def repeat(text, inpath, log_dict):
        return text * log_dict[inpath]["n_letters"]

    pipeline = CustomReportingPipeline(load_text, [count_letters, repeat, count_letters])
    assert pipeline(inpaths[1]) == "bbbb"
    assert list(pipeline.run(inpaths, None, n_jobs=1)["n_letters"]) == [1, 4, 9]


def test_record_and_log_dict_fill_one_row():
    def note(text, inpath, log_dict):
        record(a=1)
        log_dict[inpath] |= {"b": log_dict[inpath]["a"] + 1}
        return text

    report = CustomReportingPipeline(str, note).run(["x"], None, n_jobs=1)
    assert report[["a", "b"]].to_numpy().tolist() == [[1, 2]]


def test_a_row_may_be_replaced_as_a_whole():
    def note(text, inpath, log_dict):
        record(a=1)
        log_dict[inpath] = {"b": 2}
        return text

    report = CustomReportingPipeline(str, note).run(["x"], None, n_jobs=1)
    assert "a" not in report
    assert list(report["b"]) == [2]


def test_a_log_dict_has_one_key_and_refuses_others():
    log_dict = LogDict(Path("cats/7.png"))
    log_dict["cats/7.png"]["n"] = 1
    assert dict(log_dict) == {Path("cats/7.png"): {"n": 1}}
    assert len(log_dict) == 1
    with pytest.raises(KeyError, match=r"log_dict has the row of cats/7\.png, the file in hand, and was asked for x"):
        log_dict["x"]


@pytest.mark.parametrize("name", ["outpath", "seconds", "skipped_existing"])
def test_a_column_with_a_name_of_the_report_is_refused(name):
    def note(text, inpath, log_dict):
        log_dict[inpath][name] = 1
        return text

    with pytest.raises(FileError, match=rf"^x: TypeError: column '{name}' is the run report's own"):
        CustomReportingPipeline(str, note).run(["x"], None, n_jobs=1)


# Which functions get what


def with_inpath(data, inpath):
    return f"{data} of {inpath}"


def with_log_dict(data, *, log_dict):
    log_dict["x"]["n"] = 1
    return data


def with_none(data):
    return data


def with_own_inpath(inpath):
    return inpath


def test_each_function_gets_what_it_accepts():
    every: list[Any] = [with_inpath, with_log_dict, with_none, with_own_inpath, str.upper, partial(with_inpath), double]
    report = CustomReportingPipeline(lambda inpath, **kwargs: (inpath, sorted(kwargs)), [str, *every]).run(
        ["x"], None, n_jobs=1
    )
    assert list(report["n"]) == [1]
    pipeline = CustomReportingPipeline(lambda inpath, **kwargs: f"{inpath} {sorted(kwargs)}", every)
    assert pipeline("x") == "X ['LOG_DICT'] OF X of x" * 2


def test_functions_that_accept_neither_are_called_plainly(photographs, tmp_path):
    pipeline = CustomReportingPipeline(load_image, partial(ops.resize, max_side=32), write_image)
    image = pipeline(photographs / "cats" / "chelsea.png", tmp_path / "cat.png")
    assert max(image.shape) == 32
    assert (tmp_path / "cat.png").exists()


def test_mean_brightness_of_real_photographs_is_a_column(photographs):
    def record_mean_brightness(image, inpath, log_dict):
        log_dict[inpath]["mean_brightness"] = ops.mean_brightness(image)
        return image

    paths = sorted(path for path in photographs.rglob("*") if path.is_file())
    report = CustomReportingPipeline(load_image, record_mean_brightness).run(paths, None, n_jobs=4)
    assert list(report["mean_brightness"]) == [ops.mean_brightness(load_image(path)) for path in paths]


# As a pipeline


def test_attributes_may_be_replaced_and_know_what_was_given(inpaths):
    pipeline = CustomReportingPipeline(str)
    pipeline.load_func = load_text  # type: ignore[assignment]
    pipeline.ops = [*FULL.ops, double]
    pipeline.write_func = write_text  # type: ignore[assignment]
    assert pipeline(inpaths[0], to_done(inpaths[0])) == "AAAA"
    assert [op.function for op in pipeline.ops] == [count_letters, str.upper, double, double]  # type: ignore[attr-defined]
    assert repr(pipeline) == "CustomReportingPipeline(load_text > count_letters > upper > double > double > write_text)"
    pipeline.write_func = None
    pipeline.ops = None
    assert list(pipeline.run(inpaths, None, n_jobs=1)["n_loaded"]) == [1, 2, 3]


def test_a_pipeline_of_functions_at_the_top_of_a_module_can_be_pickled(inpaths):
    assert pickle.loads(pickle.dumps(FULL))(inpaths[0]) == "AA"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "load_func 3 is a int"),
        ((str, [3]), "op 3 is a int"),
        ((str, None, 3), "write_func 3 is a int"),
    ],
)
def test_what_is_no_function_is_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        CustomReportingPipeline(*arguments)


def test_after_one_file_nothing_is_left(photographs, tmp_path):
    pipeline = CustomReportingPipeline(load_image, None, write_image)
    pipeline(photographs / "cats" / "chelsea.png", tmp_path / "cat.png")
    assert current_file.columns is None
    assert current_file.written is None


def test_two_runs_of_one_pipeline_at_once_do_not_mix():
    barrier = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def note(text, inpath, log_dict):
        log_dict[inpath]["name"] = inpath
        barrier.wait()  # each file of one run is in hand together with one of the other
        log_dict[inpath]["again"] = inpath
        return text

    pipeline = CustomReportingPipeline(str, note)

    def run(name):
        return pipeline.run([f"{name}{number}" for number in range(30)], None, n_jobs=1)

    with ThreadPoolExecutor(2) as pool:
        for report in pool.map(run, ["cat", "dog"]):
            assert list(report["name"]) == list(report["again"]) == list(report.index)


def test_a_pipeline_inside_an_op_has_a_file_of_its_own(inpaths):
    inner = CustomReportingPipeline(load_text, count_letters)

    def use_inner(text, inpath, log_dict):
        inner(inpaths[2])
        log_dict[inpath]["before"] = "n_letters" in log_dict[inpath]
        return text

    report = CustomReportingPipeline(load_text, [use_inner, count_letters]).run(inpaths[:1], None, n_jobs=1)
    assert report[["n_loaded", "n_letters", "before"]].to_numpy().tolist() == [[1, 1, False]]


# Several results


def split(text, inpath, log_dict):
    for letter in text:
        yield f"-{letter}", letter
        log_dict[inpath]["is_generated"] = True


def note_letter(letter, inpath, log_dict):
    log_dict[inpath]["letter"] = letter
    return letter


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_of_several_results_each_has_columns_of_its_own(tmp_path, executor):
    (tmp_path / "ab.txt").write_text("ab")
    pipeline = CustomReportingPipeline(load_text, [count_letters, split, note_letter], write_text)
    report = pipeline.run([tmp_path / "ab.txt"], to_done, n_jobs=1, executor=executor)
    assert list(report["letter"]) == ["a", "b"]
    assert list(report["n_letters"]) == [2, 2]
    assert list(report["n_written"]) == [1, 1]
    assert pipeline(tmp_path / "ab.txt") == [("-a", "a"), ("-b", "b")]


def test_what_a_generator_logs_belongs_where_record_puts_it():
    def split_recorded(text, inpath, log_dict):
        for number, letter in enumerate(text):
            record(recorded=number)
            log_dict[inpath]["logged"] = number
            yield f"-{letter}", letter

    report = CustomReportingPipeline(str, [split_recorded, str.upper]).run(["abc"], None, n_jobs=1)
    assert list(report["logged"]) == list(report["recorded"]) == [0, 1, 2]


# In a stage


class Words(ImportFolder):
    patterns = ("*.txt",)


class Counted(FileStage):
    layer = "interim"
    folder = luigi.Parameter()
    recorded_columns = {"n_loaded": int, "n_letters": int, "n_written": int}

    def requires(self):
        return Words(folder=self.folder, base_dir=self.base_dir)

    def pipeline(self):
        return FULL


class CountedInProcesses(Counted):
    executor = "processes"


@pytest.mark.parametrize("kind", [Counted, CountedInProcesses])
def test_in_a_stage_it_fills_the_declared_columns(inpaths, tmp_path, kind):
    get_config().set("tintype", "durable", "false")
    stage = kind(folder=str(tmp_path), base_dir=str(tmp_path / "data"))
    stage.requires().run()
    stage.run()
    rows = list(stage.output().manifest().rows())
    assert [(row["n_loaded"], row["n_letters"], row["n_written"]) for row in rows] == [(1, 1, 2), (2, 2, 4), (3, 3, 6)]


def test_it_is_a_pipeline():
    assert isinstance(FULL, Pipeline)
