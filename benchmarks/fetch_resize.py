"""Images fetched from a server and made smaller in one go, ten at a time."""

from __future__ import annotations

from statistics import median

from downloads import write_list
from fast_folder import open_fast_folder
from image_ways import UNIT, ImageGoals, Way, WayRuns
from measure import Bench, Figure

from servers import ServerMissingError, run_nginx

GOALS = ImageGoals(ms=4.1)
N_FILES = 2_000
N_JOBS = 10
SIZE = "224x224"
REPEAT = 3
"""Rounds at most."""

_FETCH = "run_image_fetch.py"
# The last is for the difference only.
WAYS = (
    Way("url_pipeline", "tintype Pipeline.run()", "run_images.py", ""),
    # OpenCV's filter, which the best loop has.
    Way(
        "url_area_pipeline",
        "tintype Pipeline.run(), resample='area'",
        "run_images.py",
        "",
        has_goals=False,
        package="cv2",
    ),
    Way("url_ops", "tintype Pipeline.run(), load_image_from_url, then a plan", "run_images.py", "", has_goals=False),
    Way("url_stages", "tintype DownloadFiles, then ResizeImages", "run_images.py", "", has_goals=False),
    Way("urllib3", "urllib3, simplejpeg half scale + area", _FETCH, is_loop=True),
    Way("requests", "requests, cv2 full decode + linear", _FETCH),
    Way("wildebeest", "wildebeest 5.0.0", _FETCH, "wildebeest"),
    Way("img2dataset", "img2dataset 1.47.0, the whole call", _FETCH, "img2dataset"),
    Way("img2dataset_part", "img2dataset 1.47.0, a call for a tenth", _FETCH, "img2dataset", n_files=N_FILES // 10),
)


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(N_FILES)
    photographs = bench.photographs(n_files)
    names = sorted(path.name for path in photographs.iterdir())
    what = f"JPEG 1024x768 from nginx to 224x224, {N_JOBS} threads"
    runs = WayRuns(WAYS)
    with open_fast_folder(bench.folder) as folder:
        try:
            with run_nginx(photographs, folder / "nginx") as url:
                urls = write_list(folder / "urls.csv", [f"{url}/{name}" for name in names])
                runs.measure(bench, urls, folder, SIZE, n_files, n_jobs=N_JOBS, repeat=REPEAT)
        except ServerMissingError as error:
            return [Figure("fetch_resize", what, UNIT, most=GOALS.ms, note=f"skipped: {error}")]
    figures = [figure for figure in runs.figures("fetch_resize", what, GOALS) if figure.what != WAYS[-1].what]
    if "img2dataset" in runs.runs:
        figures.append(_beyond_start(runs, n_files, bench.size(N_FILES // 10)))
    return figures


def _beyond_start(runs: WayRuns, n_files: int, n_part: int) -> Figure:
    """Return what img2dataset costs an image once it has started: that takes seconds, which say nothing of an image."""
    values = [
        (whole * n_files - part * n_part) / (n_files - n_part)
        for whole, part in zip(runs.ms("img2dataset"), runs.ms("img2dataset_part"), strict=True)
    ]
    start = (median(runs.ms("img2dataset_part")) - median(values)) * n_part / 1e3
    ratio = median(values) / median(runs.ms("url_pipeline"))
    note = f"{ratio:.2f} times the pipeline, start {start:.1f} s CPU"
    return Figure("fetch_resize", "img2dataset 1.47.0, beyond its start", UNIT, values, note=note)
