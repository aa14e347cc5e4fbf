"""The page of a report in a real browser: what it runs, what it loads, how it is read, with eyes, keys and ears."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import luigi
import pyarrow as pa
import pytest
from luigi.util import requires
from luigi.worker import Worker
from PIL import Image
from tests.chromium import Chromium
from tests.report_data import Everything, Photos, Products, publish_many, publish_rows

from tintype import interim, ops, raw, rebuilding
from tintype.report import WrittenReport, write_report

SCRIPTS = [
    '"><script>alert(1)</script>',
    "</script><script>alert(2)</script>",
    "'onmouseover='alert(3)",
    "{{ 7 * 7 }}<img src=x onerror=alert(4)>",
    "javascript:alert(5)",
    "--><svg onload=alert(6)>",
    "</title></style></textarea><script>alert(7)</script>",
    "]]>&lt;script&gt;alert(8)&lt;/script&gt;",
]

HOSTILE_COLUMNS = dict.fromkeys(["url", "label", "part", "group", '<b onclick="alert(9)">', "leak_of"], pa.string())


class Imported(raw.ImportFolder):
    folder: str = luigi.Parameter(default="photographs", significant=False)


@requires(Imported)
class Cutouts(interim.ImageStage):
    max_failure_rate = 0.5

    def process(self, image):
        if image.shape[0] == image.shape[1] == 512:
            raise ValueError("a square")
        return ops.resize(image, max_side=150)


@pytest.fixture(scope="module")
def chromium(require_service: Any) -> Iterator[Chromium]:
    with Chromium(require_service("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def report(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """Report on a chain of stages over the photographs."""
    folder = tmp_path_factory.mktemp("report")
    settings: dict[str, Any] = {"base_dir": str(folder / "data"), "folder": str(photographs)}
    task = Cutouts(**settings)
    assert rebuilding.rebuild(task).ok
    return write_report(task)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """Report on labels, parts, failures and leaks, without pictures."""
    folder = tmp_path_factory.mktemp("many")
    publish_many(folder, 2000)
    return write_report(Everything(base_dir=str(folder)))


def show(browser: Chromium, report: WrittenReport, **window: Any) -> None:
    browser.see_as(**window)
    browser.open(report.path.as_uri())


def count_shown(browser: Chromium) -> int:
    return int(
        browser.evaluate("[...document.querySelectorAll('.file')].filter(file => file.checkVisibility()).length")
    )


def choose(browser: Chromium, name: str, value: str) -> None:
    browser.evaluate(
        f"(() => {{ const one = document.getElementById('filter-{name}'); one.value = {value!r};"
        " one.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


# What it runs, and what it loads


@pytest.fixture(scope="module")
def hostile(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """Report on rows of which every text tries to run a script."""
    base_dir = str(tmp_path_factory.mktemp("hostile"))
    rows = []
    for number, text in enumerate(SCRIPTS):
        path = f"{number}/{text.replace('/', '|')}.png"
        texts: dict[str, Any] = dict.fromkeys(HOSTILE_COLUMNS, text)
        rows.append({"inpath": text, "outpath": path, **texts})
        bad: dict[str, Any] = {"status": "failed", "error_type": text, "error": text, "outpath": None}
        rows.append({"inpath": f"https://{text}/{text}", **texts, **bad, "url": f"https://host/{text}"})
        rows.append({"inpath": f"x{text}", **texts, **bad, "status": "dropped"})
    folder = publish_rows(Photos(base_dir=base_dir), rows, HOSTILE_COLUMNS)
    for row in rows:
        if row["outpath"] is not None:
            (folder / str(row["outpath"])).parent.mkdir(exist_ok=True)
            shutil.copyfile(photographs / "cats/chelsea.png", folder / str(row["outpath"]))
    below = [
        {"inpath": row["outpath"], "outpath": row["outpath"], "status": "failed"} for row in rows if row["outpath"]
    ]
    publish_rows(Products(base_dir=base_dir), below)
    return write_report(Everything(base_dir=base_dir))


def test_no_text_of_a_row_runs_a_script(chromium, hostile):
    show(chromium, hostile)
    chromium.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for event in ("mouseover", "click", "focus", "error", "load"):
        chromium.evaluate(
            "document.querySelectorAll('main *:not(a)').forEach(one => "
            f"one.dispatchEvent(new Event('{event}', {{bubbles: true}})))"
        )
    assert chromium.dialogs == []
    assert chromium.console == []
    assert chromium.evaluate("document.scripts.length") == 1
    assert chromium.evaluate("document.querySelectorAll('main b, main img[src=x], svg[onload]').length") == 0
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames()).filter(n => n.startsWith('on'))"
    )
    assert chromium.evaluate(handlers) == []
    schemes = "[...new Set([...document.links].map(link => new URL(link.href).protocol))].sort()"
    assert chromium.evaluate(schemes) == ["file:", "https:"]


def test_hostile_texts_are_shown_as_they_are(chromium, hostile):
    show(chromium, hostile)
    text = chromium.evaluate("document.body.textContent")
    for script in SCRIPTS:
        assert script in text
    assert chromium.evaluate("document.title") == "Everything: tintype report"
    labels = chromium.evaluate("[...document.getElementById('filter-label').options].map(one => one.textContent)")
    assert labels == ["all", *sorted(SCRIPTS)]
    for script in SCRIPTS:
        choose(chromium, "label", f"={script}")
        assert count_shown(chromium) == 3


def test_pictures_and_links_of_hostile_names_lead_to_the_files(chromium, hostile):
    show(chromium, hostile)
    chromium.evaluate("document.querySelectorAll('img').forEach(one => { one.loading = 'eager'; })")
    chromium.evaluate("Promise.all([...document.images].map(one => one.decode()))")
    assert chromium.evaluate("[...document.images].every(one => one.naturalWidth == 192)")
    links = chromium.evaluate("[...document.querySelectorAll('figure .frame a')].map(one => one.href)")
    assert len({*links}) == len(SCRIPTS)
    for link in {*links}:
        chromium.open(link)
        assert chromium.evaluate("document.contentType") == "image/png"


def test_a_script_that_got_into_the_page_would_not_run(chromium, report):
    show(chromium, report)
    chromium.evaluate(
        """(() => {
          document.body.insertAdjacentHTML("beforeend", "<img src=x: onerror='alert(1)'><p id=p onclick='alert(2)'>");
          document.getElementById("p").click();
          const script = document.createElement("script");
          script.textContent = "alert(3)";
          document.body.append(script);
          return new Promise(done => setTimeout(done, 200));
        })()"""
    )
    assert chromium.dialogs == []
    assert sum("Content Security Policy" in line for line in chromium.console) >= 3


def test_nothing_is_loaded_but_the_page_and_the_pictures_that_are_near(chromium, report):
    show(chromium, report)
    first = "const one = document.images[0]; one.complete ? done() : one.addEventListener('load', done);"
    chromium.evaluate(f"new Promise(done => {{ {first} }})")
    folder = f"{report.path.parent.as_uri()}/"
    assert [url for url in chromium.requests if not url.startswith((folder, "data:,"))] == []
    loaded = {url for url in chromium.requests if "/pictures/" in url}
    assert 0 < len(loaded) < report.n_pictures
    assert chromium.console == []


def test_it_works_from_a_web_server_too(chromium, report):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(report.path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            chromium.open(f"http://127.0.0.1:{server.server_port}/index.html")
            assert chromium.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") > 0
            choose(chromium, "status", "=failed")
            assert count_shown(chromium) == 1
            assert chromium.console == []
        finally:
            server.shutdown()
            thread.join()


def test_luigis_tracking_link_opens_it(chromium, photographs, tmp_path):
    class Reported(Cutouts):
        report = True

    settings: dict[str, Any] = {"base_dir": str(tmp_path / "a b#c"), "folder": str(photographs)}
    task = Reported(**settings)
    with Worker(worker_id="worker") as worker:
        assert worker.add(task)
        assert worker.run()
        link = worker._scheduler.task_list("DONE", "")[task.task_id]["tracking_url"]
    chromium.open(link)
    assert chromium.evaluate("document.querySelector('h1').textContent") == "Reported"
    assert chromium.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") > 0


# The filter


def test_files_are_filtered_by_label_status_and_text(chromium, report):
    show(chromium, report)
    assert count_shown(chromium) == 16
    choose(chromium, "label", "=things")
    assert count_shown(chromium) == 6
    choose(chromium, "text", "MOTOR left")
    assert count_shown(chromium) == 2
    assert chromium.evaluate("document.getElementById('filter-count').textContent") == "2 of 16 files shown"
    choose(chromium, "label", "=cats")
    assert count_shown(chromium) == 0
    assert chromium.evaluate("[...document.querySelectorAll('.none')].every(one => one.checkVisibility())")
    chromium.evaluate("document.querySelector('#filter button').click(); new Promise(done => setTimeout(done, 50))")
    assert count_shown(chromium) == 16
    choose(chromium, "status", "=failed")
    assert count_shown(chromium) == 1
    assert chromium.evaluate(
        "document.querySelector('.file:not([hidden])').textContent.includes('ValueError: a square')"
    )
    assert chromium.console == []


def test_without_scripts_everything_is_shown_and_no_filter_is_promised(chromium, report):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(chromium, report)
        assert count_shown(chromium) == 16
        assert not chromium.evaluate("document.getElementById('filter').checkVisibility()")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


# With eyes, keys and ears


CONTRAST = """
(() => {
  const parse = (text) => {
    const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element), svg = element.closest("svg");
    const box = svg && element.closest("g") && getComputedStyle(element.closest("g").querySelector("rect")).fill;
    const paper = box ? parse(box) : ground(svg || element);
    found.push([ratio(parse(svg ? style.fill : style.color), paper), element.tagName, element.className.toString()]);
  }
  for (const bar of document.querySelectorAll(".bar, .axis, .edge, .box")) {
    const style = getComputedStyle(bar);
    const color = style.fill === "none" || bar.matches(".box") ? style.stroke : style.fill;
    found.push([1.5 * ratio(parse(color), ground(bar.closest("svg"))), "graphic", bar.className.baseVal]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 5).concat([[found.length]]);
})()
"""
"""The lowest contrasts; of graphics, for which WCAG asks 3 to 1 in place of 4.5, one and a half times theirs."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "many", "hostile"])
def test_every_text_has_the_contrast_that_wcag_asks_for(scheme, which, chromium, request):
    show(chromium, request.getfixturevalue(which), scheme=scheme)
    *lowest, (n_found,) = chromium.evaluate(CONTRAST)
    assert n_found > 200
    assert lowest[0][0] >= 4.5, lowest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_goes_by_the_scheme_that_its_reader_prefers(scheme, chromium, report, tmp_path):
    show(chromium, report, scheme=scheme)
    chromium.take_picture(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        corner = picture.convert("RGB").getpixel((2, 2))
    assert corner == ((255, 255, 255) if scheme == "light" else (20, 23, 26))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_needs_scrolling_to_the_side(width, chromium, many, report, hostile):
    for page in (many, report, hostile):
        show(chromium, page, width=width)
        chromium.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert chromium.evaluate("document.documentElement.scrollWidth") <= width


def test_headings_are_in_order_and_every_part_of_the_page_has_a_name(chromium, many):
    show(chromium, many)
    levels = chromium.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = chromium.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    named = chromium.evaluate(
        "[...document.querySelectorAll('[aria-labelledby],label,output[for]')].flatMap(one =>"
        " (one.getAttribute('aria-labelledby') || '').split(' ')).filter(Boolean)"
    )
    assert set(named) <= set(ids)


def read_tree(browser: Chromium) -> list[tuple[str, str]]:
    """Return role and name of everything that a screen reader tells of."""
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]


def test_a_screen_reader_hears_pictures_charts_and_controls_by_name(chromium, report, many):
    tree: list[tuple[str, str]] = []
    for page in (report, many):
        show(chromium, page)
        chromium.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        tree = read_tree(chromium)
        nameless = {
            role
            for role, name in tree
            if not name and role in ("image", "link", "button", "textbox", "searchbox", "combobox", "region", "heading")
        }
        assert nameless == set()
        roles = [role for role, _ in tree]
        for role in ("banner", "navigation", "main", "search", "contentinfo", "table", "columnheader", "rowheader"):
            assert role in roles, role
    names = [name for role, name in tree if role == "image"]
    assert any(name.startswith("Histogram of Sharpness in Products") for name in names)
    assert ("searchbox", "Text") in tree
    assert ("combobox", "Label") in tree


def test_everything_can_be_done_with_keys_and_is_seen_where_one_is(chromium, report):
    show(chromium, report)
    focus = (
        "(() => { const one = document.activeElement; return one.className.baseVal || one.id || one.textContent; })()"
    )
    chromium.press("Tab", 9)
    assert chromium.evaluate(focus) == "Skip to the stages"
    seen = chromium.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    chromium.press("Enter", 13)
    assert seen
    assert chromium.evaluate("location.hash") == "#main"
    visited = []
    for _ in range(12):
        chromium.press("Tab", 9)
        visited.append(chromium.evaluate(focus))
        is_seen = (
            "(() => { const one = document.activeElement, box = one.closest('svg') && one.querySelector('.box');"
            " return getComputedStyle(box || one)[box ? 'strokeWidth' : 'outlineStyle']; })()"
        )
        assert chromium.evaluate(is_seen) in ("solid", "4px"), visited
    assert "filter-text" in visited
    chromium.evaluate("document.getElementById('filter-text').focus()")
    chromium.type("astronaut")
    assert count_shown(chromium) == 2
    chromium.evaluate("document.querySelector('.file:not([hidden]) summary').focus()")
    chromium.press("Enter", 13)
    assert chromium.evaluate("document.querySelector('.file:not([hidden]) details').open")
    chromium.evaluate("document.querySelector('.graph a').focus()")
    chromium.press("Enter", 13)
    assert chromium.evaluate("location.hash").startswith("#stage-")
    assert chromium.evaluate("document.querySelector(location.hash).textContent") in ("Imported", "Cutouts")


@pytest.mark.slow
def test_a_page_about_a_million_rows_opens_as_quickly_as_one_about_a_thousand(chromium, tmp_path):
    publish_many(tmp_path / "small", 1_000)
    publish_many(tmp_path / "large", 1_000_000)
    n_elements = {}
    for name in ("small", "large"):
        made = write_report(Everything(base_dir=str(tmp_path / name)))
        show(chromium, made)
        n_elements[name] = chromium.evaluate("document.querySelectorAll('*').length")
        assert made.size_bytes < 5_000_000
        assert chromium.console == []
    assert n_elements["large"] < 1.2 * n_elements["small"]
