"""The example in examples/seqtools runs, as its reader would run it; and what it says of the original is so."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

import tintype.sequences as seqtools
from tintype.errors import EvaluationError

FOLDER = Path(__file__).parents[1] / "examples" / "seqtools"
SCRIPT = "preprocessing_pipeline.py"
PICTURES = {
    "small.png": "RGB",
    "over_the_top.png": "L",
    "over_the_top_contrasted.png": "RGB",
    "over_the_top_equalized.png": "RGB",
    "contrasted.png": "L",
    "flipped.png": "L",
}


def test_every_file_is_run_or_known_not_to_be():
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {SCRIPT, "README.md", "sample_files.py"}
    assert f"`{SCRIPT}`" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_tutorial_runs_to_its_400_images(tmp_path):
    ran = subprocess.run(
        [sys.executable, str(FOLDER / SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[:2] == ["raw_images[0]: (640, 425)", "augmented_dataset: <concatenate of 2: 400 items>"]
    ways = ["one by one", "two threads", "two threads and a cache"]
    assert [re.sub(r"\d+\.\d+ s", "... s", line) for line in lines[2:]] == [
        f"{way}: 400 images in ... s" for way in ways
    ]
    paths = sorted(tmp_path.iterdir())  # nothing is left of its sample files
    found = dict(zip([path.name for path in paths], seqtools.smap(Image.open, paths), strict=True))
    assert {name: (image.mode, image.size) for name, image in found.items()} == {
        name: (mode, (200, 200)) for name, mode in PICTURES.items()
    }
    assert ImageOps.mirror(found["flipped.png"]).tobytes() == found["contrasted.png"].tobytes()


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("sample_files", FOLDER / "sample_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("samples")
    module.save_sample_files(str(folder))
    return folder


def test_the_crop_of_the_original_fails_on_a_portrait_and_the_error_names_the_file(sample_files):
    def normalize_size(im):
        w, h = im.size
        left_crop = w // 2 - h // 2
        return im.resize((200, 200), Image.Resampling.BILINEAR, box=(left_crop, 1, h, h))

    files = [str(sample_files / "cat.jpg"), str(sample_files / "tower.jpg")]
    small_images = seqtools.smap(normalize_size, seqtools.smap(Image.open, files))
    assert small_images[0].size == (200, 200)
    with pytest.raises(
        EvaluationError, match=r"item 1 failed in normalize_size for '.*tower\.jpg' .*: ValueError"
    ) as caught:
        seqtools.smap(ImageOps.grayscale, small_images)[1]
    assert caught.value.value == files[1]


def test_the_last_step_of_the_original_gives_a_tuple_for_every_second_item():
    contrasted = seqtools.add_cache(["one", "two"], cache_size=10)
    flipped = seqtools.smap(lambda im: (im, im[::-1]), contrasted)
    augmented_pairs = seqtools.collate([contrasted, flipped])
    assert list(seqtools.unbatch(augmented_pairs, 2)) == ["one", ("one", "eno"), "two", ("two", "owt")]


def test_the_cached_pairs_read_each_photograph_once(sample_files):
    opened = []

    def open_counted(path):
        opened.append(path)
        return Image.new("L", (4, 4))

    images = seqtools.add_cache(seqtools.smap(open_counted, range(60)), cache_size=10)
    pairs = seqtools.collate([images, seqtools.smap(ImageOps.mirror, images)])
    values = list(seqtools.prefetch(seqtools.unbatch(pairs, 2), max_buffered=10, nworkers=2))
    assert (len(values), sorted(opened)) == (120, list(range(60)))


def test_the_page_about_sequences_runs(sample_files):
    page = (FOLDER.parents[1] / "docs" / "how-to" / "lazy-sequences.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"files": [str(sample_files / "cat.jpg")] * 150, "dataset": [("image", "label")] * 3}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 3
    assert repr(names["both"]) == "<unbatch of 2: 300 items>"
    assert ImageOps.mirror(names["both"][0]).tobytes() == names["both"][1].tobytes()
    described = set(re.findall(r"`(\w+)`", page))
    assert {name for name in dir(seqtools) if name[0].islower()} <= described
