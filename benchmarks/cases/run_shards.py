"""Put every file of a folder into shards: run_shards.py WAY SOURCE FOLDER N_FILES DURABLE."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import luigi
from luigi.configuration import get_config
from luigi.util import requires
from usage import measured

from tintype.processed import WriteShards
from tintype.raw import GivenFolder

N_THREADS = 2
FILES_PER_SHARD = 250


class Photos(GivenFolder):
    pass


@requires(Photos)
class Shards(WriteShards):
    files_per_shard: int | None = luigi.OptionalIntParameter(default=FILES_PER_SHARD)


def publish(source: Path, folder: Path) -> Path:
    """Publish the images where they lie."""
    photos = Photos(base_dir=str(folder / "data"), folder=str(source))
    if not photos.complete():
        photos.run()
    return folder / "data"


def warm_up(source: Path, folder: Path, shard_format: str) -> None:
    """Put three files into a shard, so that imports and caches are there."""
    few = folder / "few"
    if not few.exists():
        few.mkdir()
        for path in sorted(source.iterdir())[:3]:
            shutil.copyfile(path, few / path.name)
    base_dir = publish(few, folder / "warm")
    shutil.rmtree(base_dir / "processed", ignore_errors=True)
    run_stage(base_dir, few, shard_format)


def run_stage(base_dir: Path, source: Path, shard_format: str) -> None:
    Shards(base_dir=str(base_dir), folder=str(source), shard_format=shard_format, n_jobs=N_THREADS).run()


def copy_hashed(paths: list[Path], out: Path, *, durable: bool) -> None:
    """Write files one after the other into one, and hash it on the way."""
    digest = hashlib.sha256()
    with open(out, "wb", buffering=0) as shard:
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
            digest.update(data)
            shard.write(data)
        if durable:
            os.fsync(shard.fileno())
    out.with_suffix(".sha256").write_text(digest.hexdigest())


def copy_plain(paths: list[Path], out: Path) -> None:
    out.mkdir()
    for path in paths:
        shutil.copyfile(path, out / path.name)


def write_by_webdataset(paths: list[Path], out: Path) -> None:
    import webdataset

    with webdataset.TarWriter(str(out.with_suffix(".tar"))) as tar:
        for path in paths:
            tar.write({"__key__": path.stem, "jpg": path.read_bytes(), "json": {"outpath": path.name, "label": None}})


def run_by_hand(write: Callable[[list[Path], Path], None], paths: list[Path], folder: Path) -> None:
    groups = [paths[start : start + FILES_PER_SHARD] for start in range(0, len(paths), FILES_PER_SHARD)]
    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in pool.map(write, groups, [folder / f"shard-{number:06d}" for number in range(len(groups))]):
            pass


BY_HAND: dict[str, Callable[[list[Path], Path], None]] = {"copyfile": copy_plain, "TarWriter": write_by_webdataset}


def choose(way: str, source: Path, folder: Path, *, durable: bool) -> Callable[[], None]:
    get_config().set("tintype", "durable", str(durable).lower())
    get_config().set("tintype", "progress", "none")
    base_dir = publish(source, folder)
    out = folder / "shards"
    for old in (out, base_dir / "processed"):
        shutil.rmtree(old, ignore_errors=True)
    by_hand = BY_HAND.get(way, partial(copy_hashed, durable=durable) if way == "hashed" else None)
    if by_hand is not None:
        out.mkdir()
        return partial(run_by_hand, by_hand, sorted(source.iterdir()), out)
    warm_up(source, folder, way)
    return partial(run_stage, base_dir, source, way)


def main(way: str, source: Path, folder: Path, n_files: int, durable: bool) -> None:
    run = choose(way, source, folder, durable=durable)
    if way == "TarWriter":
        import webdataset  # noqa: F401, what a run imports is there before the clock starts
    os.sync()
    with measured(n_files):
        run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "durable")
