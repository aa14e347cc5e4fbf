"""Behaviour of tintype.report: what is counted, what is shown, where it lies, and how it gets there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import luigi
import numpy as np
import pyarrow as pa
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from luigi.worker import Worker
from PIL import Image
from tests.processes import make_environment
from tests.report_data import Everything, Photos, Products, publish_many, publish_rows

from tintype import Stage, drop, interim, ops, processed, raw, rebuilding, testing
from tintype.errors import SettingsError, StagingLockedError, StrayDirectoryError
from tintype.manifest.histograms import count_histograms
from tintype.manifest.schema import MANIFEST_NAME
from tintype.report import write_report, writing
from tintype.report.counting import (
    BoundedCounter,
    ColumnNames,
    count_balance,
    count_equal_files,
    count_failures,
    count_statuses,
)
from tintype.report.distributions import count_distributions
from tintype.report.placing import replacing, write_summary
from tintype.report.tracing import draw_samples, find_way, make_nodes
from tintype.report.words import host_of, show_text, web_address

N_ROWS = 3_000
NAMES = ColumnNames(group=("patient",))


class Imported(raw.ImportFolder):
    folder: str = luigi.Parameter(default="photographs", significant=False)


@requires(Imported)
class Cutouts(interim.ImageStage):
    max_failure_rate = 0.5

    def process(self, image):
        if image.shape[0] == image.shape[1] == 512:
            raise ValueError("a <square>")
        if image.shape[1] == 640:
            return drop("640 wide")
        return ops.resize(image, max_side=100)


@requires(Cutouts)
class Grays(interim.ImageStage):
    def process(self, image):
        return image[..., 1]


@requires(Grays)
class Described(processed.DescribeImages):
    pass


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("many")
    publish_many(folder, N_ROWS)
    return str(folder)


@pytest.fixture
def built(photographs: Path, tmp_path: Path) -> dict[str, Any]:
    """Build a chain over the photographs; return the parameters of its stages."""
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}
    assert rebuilding.rebuild(Described(**settings)).ok
    return settings


def read_page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def stage_sections(page: str) -> dict[str, str]:
    """Return the part of a page that is about each stage, by its name."""
    sections = re.findall(r'<section class="stage".*?</section>', page, re.DOTALL)
    return {re.search(r"<h2[^>]*>(.*?)</h2>", one).group(1): one for one in sections}  # type: ignore[union-attr]


def read_text(part: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split())


# Numbers


def test_statuses_failures_labels_and_equal_files_are_counted_as_pandas_counts_them(many):
    manifest = Photos(base_dir=many).output().manifest()
    frame = manifest.to_pandas()
    assert count_statuses(manifest) == frame["status"].value_counts().to_dict()

    failed = frame[frame["status"] == "failed"]
    failures = count_failures(manifest)
    assert {one.name: one.count for one in failures} == failed["error_type"].value_counts().to_dict()
    assert [one.count for one in failures] == sorted((one.count for one in failures), reverse=True)
    hosts = failed["url"].str.extract(r"//([^/]*)/")[0]
    for one in failures:
        assert dict(one.hosts.items()) == hosts[failed["error_type"] == one.name].value_counts().to_dict()
        assert [row["inpath"] for row in one.examples] == failed[failed["error_type"] == one.name]["inpath"][
            :5
        ].tolist()

    counts = frame["digest"].dropna().value_counts()
    assert count_equal_files(manifest) == ((counts[counts > 1] - 1).sum(), (counts > 1).sum())
    assert count_equal_files(manifest)[0] > 5


def test_labels_parts_and_groups_are_counted_as_pandas_counts_them(many):
    frame = Products(base_dir=many).output().manifest().to_pandas()
    balance = count_balance(Products(base_dir=many).output().manifest(), NAMES)
    assert balance is not None
    expected = frame.groupby(["label", "part"]).size().to_dict()
    assert dict(balance.counts.items()) == expected
    assert balance.groups == frame.groupby("part")["patient"].nunique().to_dict()
    assert balance.straddling == (frame.groupby("patient")["part"].nunique() > 1).sum()
    assert balance.parts == ["train", "valid"]
    totals = [sum(counts.values()) for _, counts in balance.by_label()]
    assert totals == frame["label"].value_counts().tolist()


def test_a_group_in_two_parts_is_counted(tmp_path):
    rows = [
        {"inpath": str(number), "outpath": f"{part}/{number}", "part": part, "label": None, "group": group}
        for number, (part, group) in enumerate([("train", "a"), ("valid", "a"), ("valid", "b"), ("train", None)])
    ]
    columns = dict.fromkeys(("part", "label", "group"), pa.string())
    publish_rows(Photos(base_dir=str(tmp_path)), rows, columns)
    balance = count_balance(Photos(base_dir=str(tmp_path)).output().manifest(), ColumnNames())
    assert balance is not None
    assert (balance.groups, balance.straddling) == ({"train": 1, "valid": 2}, 1)
    text = read_text(read_page(write_report(Photos(base_dir=str(tmp_path))).path))
    assert "Groups: 1 in train, 2 in valid; 1 in more than one part" in text
    assert "no label 2 100.0 % 2 100.0 % 4 100.0 %" in text


def test_distributions_are_those_of_every_row(many):
    stage = Products(base_dir=many)
    frame = stage.output().manifest().to_pandas()
    frame["aspect"] = frame["width"] / frame["height"]
    found = {one.measure.name: one for one in count_distributions(stage.output().manifest(), stage.recorded_columns)}
    assert set(found) == {
        "size_bytes", "seconds", "width", "height", "aspect", "mean_brightness", "sharpness", "leak_distance"
    }  # fmt: skip
    for name, distribution in found.items():
        values = frame[name].dropna().to_numpy(np.float64)
        histogram = distribution.histogram
        assert not distribution.is_sampled
        assert histogram.n == len(values)
        assert (histogram.least, histogram.most) == (values.min(), values.max())
        assert histogram.total == pytest.approx(values.sum(), rel=1e-12)
        assert list(histogram.counts) == np.histogram(values, histogram.edges)[0].tolist()
        assert sum(histogram.counts) == len(values)


def test_what_a_stage_carries_from_above_is_not_shown_as_its_own(many):
    manifest = Products(base_dir=many).output().manifest()
    names = [one.measure.name for one in count_distributions(manifest, recorded=())]
    assert names == ["size_bytes", "seconds"]


def test_the_page_says_these_numbers(many, tmp_path):
    report = write_report(Everything(base_dir=many), tmp_path / "page")
    frame = Photos(base_dir=many).output().manifest().to_pandas()
    products = Products(base_dir=many).output().manifest().to_pandas()
    assert (report.n_stages, report.n_published) == (2, 2)
    assert report.n_rows == len(frame) + len(products)
    assert report.n_failed == (frame["status"] == "failed").sum()
    sections = {name: read_text(part) for name, part in stage_sections(read_page(report.path)).items()}
    assert list(sections) == ["Products", "Photos"]
    n_failed = (frame["status"] == "failed").sum()
    assert f"{n_failed:,} of 3,000 rows failed." in sections["Photos"]
    for name, count in frame["error_type"].value_counts().items():
        assert f"{name}: {count:,} {100 * count / 3000:.1f} % of all rows" in sections["Photos"]
    for label, count in products["label"].value_counts().items():
        parts = products[products["label"] == label]["part"].value_counts()
        assert re.search(
            rf"{label} {parts['train']:,} [\d.]+ % {parts['valid']:,} [\d.]+ % {count:,} ", sections["Products"]
        )
    n_leaks = products["leak_of"].notna().sum()
    assert n_leaks
    assert f"Leaks {n_leaks} files have one like them in another part." in sections["Products"]
    assert "2 bits of 64 apart" in sections["Products"]
    low, mean, high = (f"{value:,.0f}" for value in products["width"].agg(["min", "mean", "max"]))
    assert f"counted over {len(products):,} files; least {low}, mean {mean}, most {high}" in sections["Products"]


def test_a_table_of_values_without_end_keeps_to_its_bound_and_stays_exact():
    counter: BoundedCounter[int] = BoundedCounter(most_keys=100)
    for start in range(0, 1000, 10):
        counter.add(dict.fromkeys(range(start, start + 10), 1) | {5: 1})
    assert len(counter) == 100
    assert counter.most_common(1) == [(5, 100)]
    assert counter.n_others == 900
    assert counter.total == 1099


# Histograms


@pytest.mark.parametrize(
    "values",
    [
        [7.0],
        [0.0, 0.0],
        [-3.0, 4.0],
        [0.0, 1e-300],
        [0.0, 1.0, 2e9],
        [1e300, -1e300],
        [0.1, 0.2, 0.3],
        [1.0, 1.0 + 1e-15],
        [5.0, float("nan"), float("inf"), None],
        list(np.random.default_rng(0).lognormal(0, 4, 500)),
    ],
)
def test_every_finite_value_is_in_one_bin(values):
    array = np.array(values, np.float64)
    known = array[np.isfinite(array)]
    histogram = count_histograms(lambda: [{"a": array[:1]}, {"a": array[1:]}])["a"]
    assert sum(histogram.counts) == histogram.n == len(known)
    assert histogram.edges[0] <= known.min()
    assert histogram.edges[-1] >= known.max()
    assert all(np.diff(histogram.edges) > 0)
    assert len(histogram.counts) < 100
    assert list(histogram.counts) == np.histogram(known, histogram.edges)[0].tolist()


def test_nothing_to_count_is_no_histogram():
    assert count_histograms(list) == {}
    assert count_histograms(lambda: [{"a": np.array([np.nan])}]) == {}


# What is shown


def test_a_file_is_shown_with_every_stage_that_it_came_through(built):
    looks = rebuilding.survey.survey(Described(**built))
    nodes = make_nodes(looks)
    draw_samples(nodes, 100, 0)
    rows = {row["inpath"]: row for row in nodes[-1].sample if row["inpath"]}
    way = find_way(nodes[-1], rows["cats/chelsea.jpg"])
    assert [(step.node.name, step.row["inpath"], step.row["outpath"]) for step in way] == [
        ("Imported", "cats/chelsea.png", "cats/chelsea.png"),
        ("Cutouts", "cats/chelsea.png", "cats/chelsea.jpg"),
        ("Grays", "cats/chelsea.jpg", "cats/chelsea.jpg"),
        ("Described", "cats/chelsea.jpg", None),
    ]
    failed = next(row for row in nodes[1].sample if row["status"] == "failed")
    assert [step.node.name for step in find_way(nodes[1], failed)] == ["Imported", "Cutouts"]


def test_each_picture_is_written_once_and_is_the_file_made_small(built, photographs):
    report = write_report(Described(**built))
    page = read_page(report.path)
    sources = set(re.findall(r'<img src="([^"]*)"', page))
    written = {f"pictures/{path.name}" for path in (report.path.parent / "pictures").iterdir()}
    assert sources == written
    assert report.n_pictures == len(written) == 8 + 6 + 6
    match = re.search(r'<img src="([^"]*)" width="(\d+)" height="(\d+)" alt="cats/chelsea.png in Imported"', page)
    assert match is not None
    with Image.open(report.path.parent / match[1]) as small, Image.open(photographs / "cats/chelsea.png") as original:
        assert small.size == (int(match[2]), int(match[3])) == (192, 128)
        reduced = np.asarray(original.convert("RGB").resize(small.size), float)
        assert abs(np.asarray(small, float) - reduced).mean() < 6
    assert 'loading="lazy"' in page
    assert page.count("<img") == page.count('loading="lazy"')


def test_links_lead_to_the_files_themselves(built):
    report = write_report(Described(**built))
    links = [link for link in re.findall(r'<a href="([^"#]*)"', read_page(report.path)) if link]
    assert links
    for link in links:
        assert (report.path.parent / unquote(link)).is_file(), link


def test_failed_and_dropped_files_are_shown_however_few_they_are(tmp_path):
    rows = [{"inpath": f"{n}.txt", "outpath": f"{n}.txt", "size_bytes": 1} for n in range(1000)]
    rows += [{"inpath": "bad.txt", "status": "failed", "error_type": "ValueError", "error": "too bad"}]
    rows += [{"inpath": "left.txt", "status": "dropped", "error": "not wanted"}]
    publish_rows(Photos(base_dir=str(tmp_path)), rows)
    page = read_page(write_report(Photos(base_dir=str(tmp_path)), samples=10).path)
    text = read_text(page)
    assert "10 of 1,002 rows, chosen at random; and 2 more of those that failed or were dropped" in text
    assert 'data-status="dropped"' in page
    assert "ValueError: too bad" in text
    assert page.count('<li class="file"') == 12


def test_a_sample_is_the_same_for_one_seed_and_another_for_another(many, tmp_path):
    def names(folder: str, **options: Any) -> list[str]:
        page = read_page(write_report(Everything(base_dir=many), tmp_path / folder, **options).path)
        return re.findall(r'<p class="path">(.*?)</p>', page)

    first = names("a", samples=5, seed=1)
    assert names("b", samples=5, seed=1) == first
    assert names("c", samples=5, seed=2) != first
    assert len(names("d", samples=0)) == 0


def test_measures_of_a_sample_say_so_and_recorded_ones_do_not(built):
    sections = stage_sections(read_page(write_report(Described(**built)).path))
    assert "measured on a sample of 6 files" in sections["Grays"]
    assert "Histogram of Sharpness in Grays" in sections["Grays"]
    assert "measured on a sample" not in sections["Described"]
    assert "Histogram of Sharpness in Described" in sections["Described"]
    frame = Described(**built).output().manifest().to_pandas()
    assert "no label" not in sections["Described"]  # as the tables that it writes beside have none
    mean = frame["mean_brightness"].mean()
    assert f"counted over 6 files; least {frame['mean_brightness'].min():.4g}, mean {mean:.4g}" in sections["Described"]


def test_files_that_are_no_images_missing_or_broken_are_named_for_what_they_are(photographs, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(photographs / "cats", source / "cats")
    (source / "notes.txt").write_text("a note")
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    np.save(source / "array.npy", np.zeros((20, 30), np.float32))
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(source)}
    assert rebuilding.rebuild(Imported(**settings)).ok
    (tmp_path / "data/raw/Imported/cats/chelsea.png").unlink()
    text = read_text(stage_sections(read_page(write_report(Imported(**settings)).path))["Imported"])
    assert "the file is not there any more" in text
    assert "6 B" in text
    assert re.search(r"cannot be shown: (ImageError: )?broken.jpg", text), text
    assert "array.npy, 30 x 20" in text


def test_files_of_several_directories_brought_together_are_traced(photographs, tmp_path):
    class Cats(raw.ImportFolder):
        folder: str = str(photographs / "cats")

    class Things(raw.ImportFolder):
        folder: str = str(photographs / "things")

    class Pets(raw.Concatenate):
        def requires(self):
            return [Cats(base_dir=self.base_dir), Things(base_dir=self.base_dir)]

    task = Pets(base_dir=str(tmp_path))
    assert rebuilding.rebuild(task).ok
    nodes = make_nodes(rebuilding.survey.survey(task))
    draw_samples(nodes, 10, 0)
    ways = {row["outpath"]: [step.node.name for step in find_way(nodes[-1], row)] for row in nodes[-1].sample}
    assert ways["Cats/chelsea.png"] == ["Cats", "Pets"]
    assert ways["Things/coffee.png"] == ["Things", "Pets"]


def test_duplicates_that_were_dropped_are_shown_beside_what_was_kept(photographs, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copyfile(photographs / "cats/chelsea.png", source / name)
    shutil.copyfile(photographs / "things/coffee.png", source / "c.png")

    @requires(Imported)
    class Different(interim.DropDuplicates):
        pass

    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(source)}
    task = Different(**settings)
    assert rebuilding.rebuild(task).ok
    sections = stage_sections(read_page(write_report(task).path))
    text = read_text(sections["Different"])
    assert "1 was dropped as a duplicate" in text
    assert "the same bytes" in text
    pairs = re.search(r'<ul class="pairs" aria-label="Duplicates.*?</ul>', sections["Different"], re.DOTALL)
    assert pairs is not None
    assert re.findall(r'alt="([^"]*)"', pairs[0]) == ["b.png in Imported", "a.png in Different"]
    text = read_text(sections["Imported"])
    assert "1 file has the same bytes as an earlier one" in text
    assert "1 pair of the sample looks alike" in text


def test_leaks_of_a_split_are_shown_with_their_parts(photographs, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(photographs, source)
    for n in range(8):
        shutil.copyfile(source / "cats/chelsea.png", source / f"cats/again-{n}.png")

    @requires(Imported)
    class Split(processed.SplitDataset):
        parts = {"train": 6, "valid": None}

    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(source)}
    task = Split(**settings)
    assert rebuilding.rebuild(task).ok
    frame = task.output().manifest().to_pandas()
    section = stage_sections(read_page(write_report(task).path))["Split"]
    n_leaks = frame["leak_of"].notna().sum()
    assert n_leaks >= 2
    assert f"{n_leaks} files have one like them in another part" in read_text(section)
    assert re.search("train and valid, the same bytes|valid and train, the same bytes", section)


# Odd graphs


def test_a_graph_that_was_never_built_is_a_page_that_says_so(tmp_path):
    report = write_report(Everything(base_dir=str(tmp_path / "data")))
    text = read_text(read_page(report.path))
    assert text.count("never built") >= 4
    assert (report.n_stages, report.n_published, report.n_rows) == (2, 0, 0)
    assert report.path == tmp_path / "data/reports/Everything/index.html"


@pytest.mark.parametrize("n_rows", [0, 1])
def test_directories_of_no_rows_and_of_one(n_rows, tmp_path):
    rows = [{"inpath": "a.txt", "outpath": "a.txt", "size_bytes": 0}][:n_rows]
    publish_rows(Photos(base_dir=str(tmp_path)), rows)
    text = read_text(read_page(write_report(Photos(base_dir=str(tmp_path))).path))
    assert ("There are no rows." in text) == (n_rows == 0)
    assert f"Rows {n_rows} " in text


def test_a_manifest_that_cannot_be_read_is_said_and_the_rest_is_shown(built):
    path = Path(Cutouts(**built).output().path) / MANIFEST_NAME
    path.write_bytes(b"PAR1 nothing")
    report = write_report(Described(**built))
    assert len(report.errors) == 1
    assert re.search(r"Cutouts: .*_manifest.parquet cannot be read", report.errors[0])
    sections = stage_sections(read_page(report.path))
    assert "Its manifest cannot be read" in sections["Cutouts"]
    assert "<h3>Files</h3>" in sections["Grays"]
    assert report.n_published == 3


def test_a_task_without_a_stage_is_refused(tmp_path):
    class Nothing(luigi.Task):
        pass

    with pytest.raises(SettingsError, match="Nothing requires no stage: there is nothing to report on"):
        write_report(Nothing())


def test_a_negative_sample_is_refused(many):
    with pytest.raises(SettingsError, match="samples is -1: give the number of files"):
        write_report(Everything(base_dir=many), samples=-1)


def test_a_graph_of_many_stages_shows_fewer_files_of_each(tmp_path):
    class Chained(Stage):
        layer = "interim"
        number: int = luigi.IntParameter()

        def requires(self):
            return Chained(base_dir=self.base_dir, number=self.number - 1) if self.number else []

        def build(self, staging):
            raise AssertionError

    rows = [{"inpath": f"{n}.txt", "outpath": f"{n}.txt"} for n in range(60)]
    for number in range(100):
        publish_rows(Chained(base_dir=str(tmp_path), number=number), rows)
    report = write_report(Chained(base_dir=str(tmp_path), number=99))
    assert report.n_stages == 100
    assert report.n_shown == 1000
    assert report.size_bytes < 5_000_000
    section = read_text(stage_sections(read_page(report.path))["Chained-number=99"])
    assert "Chained-number=0 " in section
    assert "94 stages between" in section


# Texts


def test_secrets_in_urls_are_not_shown(tmp_path):
    url = "https://me:hidden1@host.example/a.jpg?token=hidden2"
    row = {"inpath": url, "status": "failed", "error_type": "E", "error": f"GET {url} failed", "url": url}
    publish_rows(Photos(base_dir=str(tmp_path)), [row], {"url": pa.string()})
    page = read_page(write_report(Photos(base_dir=str(tmp_path))).path)
    assert "host.example" in page
    assert "hidden" not in re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>", "", page).replace(" hidden>", "")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript://host/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//host",
        "http://",
        "http://[",
        "http://h:x/",
    ],
)
def test_only_web_addresses_become_links(url):
    assert web_address(url) is None


def test_a_text_is_on_one_line_and_not_too_long():
    assert show_text("a\nb\u202ec") == r"a\nb\u202ec"
    assert len(show_text("x" * 5000)) == 300
    assert host_of(None, "x", "http://[broken/", "HTTP://HOST/a") == "host"


# Where it lies, and how it gets there


def test_a_report_lies_beside_the_layers_and_clean_leaves_it_alone(built):
    report = write_report(Described(**built))
    base_dir = Path(built["base_dir"])
    assert report.path == base_dir / "reports/Described/index.html"
    assert rebuilding.clean(Described(**built), dry_run=False).leftovers == ()
    assert report.path.is_file()
    assert os.listdir(base_dir / "reports") == ["Described"]
    for stage in (Imported, Cutouts, Grays, Described):
        assert stage(**built).output().verify(deep=True).ok
    assert rebuilding.status(Described(**built)).is_complete
    summary = json.loads((report.path.parent / "report.json").read_text())
    assert summary["rows"] == report.n_rows
    assert summary["tintype_report"] == 1


def test_an_interrupted_report_leaves_the_old_one_and_nothing_beside(many, tmp_path, monkeypatch):
    folder = tmp_path / "page"
    before = read_page(write_report(Everything(base_dir=many), folder).path)

    def interrupt(*arguments: Any) -> Any:
        raise KeyboardInterrupt("now")

    monkeypatch.setattr(writing, "write_summary", interrupt)
    with pytest.raises(KeyboardInterrupt, match="now"):
        write_report(Everything(base_dir=many), folder, seed=5)
    assert read_page(folder / "index.html") == before
    assert os.listdir(tmp_path) == ["page"]
    with pytest.raises(KeyboardInterrupt, match="now"):
        write_report(Everything(base_dir=many), tmp_path / "other")
    assert os.listdir(tmp_path) == ["page"]


def test_what_a_killed_process_left_is_put_right(many, tmp_path):
    folder = tmp_path / "page"
    write_report(Everything(base_dir=many), folder)
    draft = tmp_path / ".page.draft"
    (draft / "page").mkdir(parents=True)
    (draft / "page/index.html").write_text("half")
    os.rename(folder, draft / "old")  # the kernel had no exchange, and the process died in between
    before = read_page(draft / "old/index.html")
    with replacing(folder) as page:
        assert os.listdir(page) == []
        assert read_page(folder / "index.html") == before
        write_summary(page, {})
        (page / "index.html").write_text("new")
    assert read_page(folder / "index.html") == "new"
    assert os.listdir(tmp_path) == ["page"]


def test_a_report_is_whole_at_every_instant_that_it_is_replaced(many, tmp_path):
    folder = tmp_path / "page"
    task = Everything(base_dir=many)
    write_report(task, folder, samples=2)
    stop, seen, torn = threading.Event(), 0, []
    started = threading.Event()

    def watch() -> None:
        nonlocal seen
        while not stop.is_set():
            try:
                if not read_page(folder / "index.html").endswith("</html>"):
                    torn.append("half")
            except FileNotFoundError:
                torn.append("absent")
            seen += 1
            started.set()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert started.wait(30)
        for seed in range(3):
            write_report(task, folder, samples=2, seed=seed)
    finally:
        stop.set()
        thread.join()
    assert seen > 3
    assert torn == []


def test_two_that_write_one_report_do_not_meet(many, tmp_path):
    folder = tmp_path / "page"
    with replacing(folder), pytest.raises(StagingLockedError, match="page is being built by process"):
        write_report(Everything(base_dir=many), folder)


def test_what_is_no_report_is_left_alone(many, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write_report(Everything(base_dir=many), folder)  # an empty folder is nobody's
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/thesis.txt").write_text("years")
    with pytest.raises(
        StrayDirectoryError, match=r"theirs is there, and is no report .*move it away, or choose another"
    ):
        write_report(Everything(base_dir=many), tmp_path / "theirs")
    assert (tmp_path / "theirs/thesis.txt").read_text() == "years"


def test_a_report_never_goes_into_a_published_directory(many):
    inside = Path(Photos(base_dir=many).output().path) / "page" / "deep"
    with pytest.raises(SettingsError, match="which a stage publishes and which holds nothing else: choose a folder"):
        write_report(Everything(base_dir=many), inside)
    assert not inside.parent.exists()


# report = True


@requires(Imported)
class Reported(interim.ImageStage):
    report = True

    def process(self, image):
        return ops.resize(image, max_side=32)


def test_a_stage_with_report_writes_it_and_luigis_link_leads_to_it(photographs, tmp_path):
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data with space"), "folder": str(photographs)}
    task = Reported(**settings)
    with Worker(worker_id="worker") as worker:
        assert worker.add(task)
        assert worker.run()
        tasks = worker._scheduler.task_list("DONE", "")
    page = tmp_path / "data with space/reports/Reported/index.html"
    assert page.is_file()
    assert tasks[task.task_id]["tracking_url"] == page.as_uri()
    sections = stage_sections(read_page(page))
    assert list(sections) == ["Reported", "Imported"]
    for section in sections.values():
        assert '<span class="state complete">complete</span>' in section
    assert task.complete()


def test_where_a_web_server_shows_the_reports_luigis_link_leads_there(photographs, tmp_path):
    get_config().set("tintype", "reports_url", "http://127.0.0.1:8000/")
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}
    task = Reported(**settings)
    with Worker(worker_id="worker") as worker:
        assert worker.add(task)
        assert worker.run()
        tasks = worker._scheduler.task_list("DONE", "")
    assert tasks[task.task_id]["tracking_url"] == "http://127.0.0.1:8000/Reported/index.html"
    assert (tmp_path / "data/reports/Reported/index.html").is_file()


def test_whether_a_report_is_written_is_no_reason_to_build_again(photographs, tmp_path):
    class Thumbs(interim.ImageStage):
        def requires(self):
            return Imported(base_dir=self.base_dir, folder=str(photographs))

        def process(self, image):
            return ops.resize(image, max_side=32)

    task = Thumbs(base_dir=str(tmp_path))
    assert rebuilding.rebuild(task).ok
    assert not (tmp_path / "reports").exists()
    Thumbs.report = True
    assert task.complete()


def test_a_report_that_cannot_be_written_fails_no_stage(photographs, tmp_path, caplog):
    (tmp_path / "reports").write_text("in the way")
    settings: dict[str, Any] = {"base_dir": str(tmp_path), "folder": str(photographs)}
    task = Reported(**settings)
    assert rebuilding.rebuild(task).ok
    assert task.complete()
    assert "published, but its report was not written" in caplog.text
    assert "write it with tintype report" in caplog.text


def test_something_else_of_that_name_is_refused(tmp_path):
    class Odd(Stage):
        layer = "processed"

        def report(self):  # type: ignore[override]  # what is refused
            return "a text"

        def build(self, staging):
            raise AssertionError

    result = rebuilding.rebuild(Odd(base_dir=str(tmp_path)))
    assert re.search(r"Odd.report is .*says whether to write a report: set it to True or False", result.errors[0])


def test_a_stage_is_reported_on_where_it_is_tested(photographs):
    images = testing.fake_images(2)
    result = testing.build(Reported, files={f"a/{n}.png": image for n, image in enumerate(images)})
    result.assert_ok()
    assert (result.base_dir / "reports/Reported/index.html").is_file()


# The command


MODULE = """
import luigi
from luigi.util import requires
from tintype import interim, ops, raw


class Photos(raw.ImportFolder):
    folder = luigi.Parameter(default="photographs")


@requires(Photos)
class Thumbs(interim.ImageStage):
    def process(self, image):
        return ops.resize(image, max_side=32)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("tintype"))
    environment = {**make_environment(), "PYTHONPATH": "."}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_command_prints_where_the_page_is(photographs, tmp_path):
    (tmp_path / "small.py").write_text(MODULE)
    (tmp_path / "photographs").symlink_to(photographs)
    task = ("--module", "small", "Thumbs")
    assert run(tmp_path, "rebuild", *task).returncode == 0
    done = run(tmp_path, "report", *task)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'data/reports/Thumbs/index.html'}\n"
    done = run(tmp_path, "report", "--json", "--samples", "3", "--seed", "4", "--out", "page", *task)
    values = json.loads(done.stdout)
    page = tmp_path / "page/index.html"
    assert values["path"] == str(page)
    assert values["size_bytes"] == page.stat().st_size
    assert (values["stages"], values["rows"], values["shown"], values["seed"]) == (2, 16, 6, 4)
    (tmp_path / "data/raw/Photos/_manifest.parquet").write_bytes(b"nothing")
    done = run(tmp_path, "report", *task)
    assert done.returncode == 1
    assert "tintype: Photos: " in done.stderr
    done = run(tmp_path, "report", "--out", "photographs", *task)
    assert done.returncode == 1
    assert "is no report" in done.stderr


@pytest.mark.slow
def test_a_page_about_a_million_rows_is_small_and_exact(tmp_path):
    n_rows = 1_000_000
    publish_many(tmp_path, n_rows)
    report = write_report(Everything(base_dir=str(tmp_path)))
    assert report.size_bytes < 1_000_000
    frame = Products(base_dir=str(tmp_path)).output().manifest().to_pandas(["label", "part", "sharpness"])
    text = read_text(stage_sections(read_page(report.path))["Products"])
    for label, count in frame["label"].value_counts().items():
        parts = frame[frame["label"] == label]["part"].value_counts()
        assert re.search(rf"{label} {parts['train']:,} [\d.]+ % {parts['valid']:,} [\d.]+ % {count:,} ", text)
    assert report.n_rows == n_rows + len(frame)
    assert f"counted over {len(frame):,} files" in text
