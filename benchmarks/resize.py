"""Images made smaller, from folder to folder in two threads: the sizes and formats, each beside its peers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fast_folder import open_fast_folder
from image_ways import OURS, WITH_AREA, ImageGoals, Way, WayRuns, read_once
from measure import Bench, Figure, pick

_PEER = "run_image_peer.py"
WILDEBEEST = Way("wildebeest", "wildebeest 5.0.0, cv2 linear", _PEER, "wildebeest")
DRAFT = Way("pillow_draft", "Pillow draft + bilinear", is_loop=True)
CV2_SCALED = Way("cv2_scaled_area", "cv2 {scale} scale + area", is_loop=True)
SIMPLEJPEG = Way("simplejpeg_area", "simplejpeg {scale} scale + area", is_loop=True)
CV2_LINEAR = Way("cv2_linear", "cv2 full decode + linear")
CV2_AREA = Way("cv2_area", "cv2 full decode + area", is_loop=True)


@dataclass(frozen=True)
class ResizeWork:
    """One line of work: what is made of which images."""

    name: str
    what: str
    images: str
    """Size and extension of the images, as ``1024x768.jpg``."""
    n_files: int
    size: str
    """Of what is written, as ``224x224``."""
    scale: str
    """What the scaled decoders reduce by, in words."""
    peers: tuple[Way, ...]
    goals: ImageGoals
    repeat: int
    """Rounds at most."""

    def measure(self, bench: Bench) -> list[Figure]:
        return self.run(bench).figures(self.name, self.what, self.goals)

    def run(self, bench: Bench) -> WayRuns:
        n_files = bench.size(self.n_files)
        source = bench.photographs(n_files, self.images)
        read_once(source.iterdir())
        runs = WayRuns(
            [replace(way, what=way.what.format(scale=self.scale)) for way in (*OURS, WITH_AREA, *self.peers)]
        )
        with open_fast_folder(bench.folder) as folder:
            runs.measure(bench, source, folder, self.size, n_files, repeat=self.repeat)
        return runs


SMALL = ResizeWork(
    name="resize",
    what="JPEG 1024x768 to 224x224",
    images="1024x768.jpg",
    n_files=2_000,
    size="224x224",
    scale="half",
    peers=(
        SIMPLEJPEG,
        CV2_SCALED,
        DRAFT,
        WILDEBEEST,
        Way("creevey", "creevey 1.3.3, cv2 linear", _PEER, "creevey", n_files=500),
        Way("img2dataset", "img2dataset 1.47.0's resizer, cv2 area, one thread", _PEER, "img2dataset", n_files=500),
        Way("seqtools", "SeqTools 1.4.1 prefetch, Pillow bilinear", environment="seqtools", n_files=500),
        Way("vips", "pyvips 3.2.0 thumbnail", environment="pyvips", n_files=500),
        Way("skimage", "scikit-image 0.26.0 resize", environment="scikit-image", n_files=100),
    ),
    goals=ImageGoals(ms=2.9, to_best_loop=1.08, to_wildebeest=0.43),
    repeat=5,
)
LARGE = ResizeWork(
    name="large",
    what="JPEG 3000x2000 to 224x224",
    images="3000x2000.jpg",
    n_files=300,
    size="224x224",
    scale="eighth",
    peers=(SIMPLEJPEG, CV2_SCALED, DRAFT, CV2_LINEAR, WILDEBEEST),
    goals=ImageGoals(ms=11.2),
    repeat=3,
)
LARGE_1024 = ResizeWork(
    name="large_1024",
    what="JPEG 3000x2000 to a longer side of 1024",
    images="3000x2000.jpg",
    n_files=300,
    size="1024x683",
    scale="half",
    peers=(SIMPLEJPEG, CV2_SCALED, CV2_AREA, WILDEBEEST),
    goals=ImageGoals(ms=19.0),
    repeat=3,
)
PNG = ResizeWork(
    name="png",
    what="PNG 512x512 to PNG 224x224",
    images="512x512.png",
    n_files=500,
    size="224x224",
    scale="full",
    peers=(
        Way("pillow", "Pillow bilinear, PNG as by default", is_loop=True),
        Way("cv2_area", "cv2 area, PNG as by default", is_loop=True),
        WILDEBEEST,
    ),
    goals=ImageGoals(ms=6.0),
    repeat=3,
)
GOAL_BYTES = 1.1
"""PNG: bytes of a file to those that Pillow makes by default."""


def measure_png(bench: Bench) -> list[Figure]:
    """Return what PNGs cost, and how large they are: one is bought by the other."""
    runs = PNG.run(bench)
    figures = runs.figures(PNG.name, PNG.what, PNG.goals)
    if "pillow" not in runs.runs:
        return figures
    for kind, goal in (("pipeline", GOAL_BYTES), ("cv2_area", None), ("wildebeest", None)):
        if kind in runs.runs:
            way = next(way for way in runs.ways if way.kind == kind)
            mean_bytes, of_pillow = (pick(runs.runs[one], "mean_bytes") for one in (kind, "pillow"))
            ratios = [value / by_pillow for value, by_pillow in zip(mean_bytes, of_pillow, strict=True)]
            what = f"size of a file to Pillow's by default: {way.what}"
            note = f"{mean_bytes[0] / 1e3:.1f} kB"
            figures.append(Figure(PNG.name, what, "ratio of bytes", ratios, goal, note=note))
    return figures
