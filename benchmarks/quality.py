"""How near the pixels of a resized JPEG are to those of a full decode and Lanczos' filter, before they are encoded."""

from __future__ import annotations

import sys

from measure import Bench, Case, Figure
from peer_environments import PeerMissingError, find_python
from resize import LARGE, LARGE_1024, SMALL, ResizeWork

GOAL_DECIBELS = 38.5
"""Mean over the photographs of 1024x768."""
N_COMPARED = {SMALL.name: 200, LARGE.name: 30, LARGE_1024.name: 30}

# tintype's own first.
WAYS = {
    "tintype": "tintype, resize_image_pipeline",
    "cv2_linear": "cv2 full decode + linear, as in wildebeest",
    "cv2_area": "cv2 full decode + area, as in img2dataset",
    "simplejpeg_area": "simplejpeg {scale} scale + area",
    "pillow_draft": "Pillow draft + bilinear",
}


def measure(bench: Bench) -> list[Figure]:
    goals = ((SMALL, GOAL_DECIBELS), (LARGE, None), (LARGE_1024, None))
    return [figure for work, goal in goals for figure in _compare(bench, work, goal)]


def _compare(bench: Bench, work: ResizeWork, goal: float | None) -> list[Figure]:
    source = bench.photographs(bench.size(work.n_files), work.images)
    n_compared = bench.size(N_COMPARED[work.name])
    figures = []
    for kind, described in WAYS.items():
        what = f"{described.format(scale=work.scale)}, {work.what}"
        try:
            python = sys.executable if kind == "tintype" else find_python("bare")
        except PeerMissingError as error:
            figures.append(Figure("quality", what, "dB PSNR", note=f"skipped: {error}"))
            continue
        case = Case.of(kind, "compare_images.py", kind, source, "-", work.size, n_compared, 1, python=python)
        [run] = bench.run([case], repeat=1)[kind]  # the same pixels every time
        note = f"least {run['least_decibels']:.1f} of {n_compared} images"
        least = goal if kind == "tintype" else None
        figures.append(Figure("quality", what, "dB PSNR", [run["mean_decibels"]], note=note, least=least))
    return figures
