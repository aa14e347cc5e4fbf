"""Behaviour of tintype.processed.WriteShards, and what webdataset and datasets read of it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import luigi
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image
from tests.conftest import skip_or_fail

from tintype import processed, raw
from tintype.errors import FileError, ManifestError, SettingsError
from tintype.processed import write_shards
from tintype.processed.shards import files as shard_files
from tintype.processed.shards import parquet_shard
from tintype.processed.shards import rows as shard_rows
from tintype.processed.shards.files import BUFFER_BYTES, BadFileError, ShardFile, SourceFile, read_whole
from tintype.processed.shards.parquet_shard import GroupMemory
from tintype.processed.shards.plan import FilesToShard, ShardRule, cut
from tintype.processed.shards.resume import put_on_manifest
from tintype.processed.shards.rows import OrderedRows
from tintype.processed.shards.webdataset_keys import SharedKeys, name_sample, quote_key
from tintype.processed.shards.webdataset_shard import make_headers, to_json
from tintype.targets.staging import Staging
from tintype.tasks.graph import upstream_first
from tintype.tasks.stage import Stage

FORMATS = ["webdataset", "parquet"]


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


class Shards(processed.WriteShards):
    folder: str = luigi.Parameter(significant=False)
    files_per_shard: int | None = luigi.OptionalIntParameter(default=3)

    def requires(self):
        return Photos(base_dir=self.base_dir, folder=self.folder)


@requires(Photos)
class Split(processed.SplitDataset):
    parts = {"train": 0.5, "valid": 0.5}
    method = "exact"


@requires(Split)
class SplitShards(processed.WriteShards):
    files_per_shard: int | None = luigi.OptionalIntParameter(default=2)


def build(source: Path, base_dir: Path | None = None, cls: Any = Shards, **parameters: Any) -> Any:
    task = cls(base_dir=str(base_dir or source.parent / "data"), folder=str(source), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def make_files(folder: Path, paths: list[str], size: int = 100) -> Path:
    """Write files of random bytes, each of another size."""
    for number, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(np.random.default_rng(number).bytes(size + number))
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return make_files(tmp_path / "source", [f"{label}/{number}.jpg" for label in "ab" for number in range(5)])


@pytest.fixture
def pngs(tmp_path: Path) -> Path:
    """Return a folder with ten images of one format, which webdataset's reader of datasets needs."""
    for number in range(10):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (number, 0, 255 - number)).save(path)
    return tmp_path / "source"


def read_tar(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def read_samples(folder: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield what is known of each file, and its bytes, in the order of the shards."""
    for path in sorted(folder.glob("*.tar")):
        members = iter(read_tar(path).values())
        for data, metadata in zip(members, members, strict=True):
            yield json.loads(metadata), data
    for path in sorted(folder.glob("*-*.parquet")):
        for row in pq.ParquetFile(path).read().to_pylist():
            yield row, row.pop("image")["bytes"]


def digests_of(task: Any) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in task.output().files()}


# What is written


@pytest.mark.parametrize("shard_format", FORMATS)
def test_every_file_is_in_one_shard_byte_for_byte_with_the_columns_of_its_row(files, shard_format):
    task = build(files, shard_format=shard_format)
    samples = list(read_samples(task.output().folder))
    assert {row["outpath"]: data for row, data in samples} == {
        str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*.jpg")
    }
    assert len(samples) == 10
    for row, _ in samples:
        assert row == {"outpath": row["outpath"], "label": row["outpath"][0]}
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize(("shard_format", "ending"), [("webdataset", "tar"), ("parquet", "parquet")])
def test_shards_are_rows_of_the_manifest_in_order_with_their_number_of_files(files, shard_format, ending):
    task = build(files, shard_format=shard_format)
    rows = [row for row in task.output().manifest() if row["n_files"] is not None]
    assert [(row["outpath"], row["n_files"]) for row in rows] == [
        (f"shard-00000{number}.{ending}", n_files) for number, n_files in enumerate([3, 3, 3, 1])
    ]
    index = json.loads((task.output().folder / "shards.json").read_text())
    assert (index["format"], index["n_files"]) == (shard_format, 10)
    assert index["parts"][0]["part"] is None
    assert index["parts"][0]["shards"] == [
        {"path": row["outpath"], "n_files": row["n_files"], "size_bytes": row["size_bytes"], "sha256": row["digest"]}
        for row in rows
    ]


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_split_gives_shards_of_each_part(files, shard_format):
    task = build(files, cls=SplitShards, shard_format=shard_format)
    folder = task.output().folder
    for part in ("train", "valid"):
        (folder / "one").mkdir(exist_ok=True)
        shards = sorted(folder.glob(f"{part}-*"))
        assert len(shards) == 3
        for shard in shards:
            os.link(shard, folder / "one" / shard.name)
        rows = [row for row, _ in read_samples(folder / "one")]
        assert {row["part"] for row in rows} == {part}
        assert len(rows) == 5
        for shard in shards:
            os.unlink(folder / "one" / shard.name)
    assert [part["part"] for part in json.loads((folder / "shards.json").read_text())["parts"]] == ["train", "valid"]


def test_a_shard_ends_before_it_has_more_bytes_than_it_may(files):
    task = build(files, files_per_shard=None, bytes_per_shard=310)
    sizes = [
        sum(len(data) for name, data in read_tar(path).items() if name.endswith(".jpg"))
        for path in sorted(task.output().folder.glob("*.tar"))
    ]
    assert sum(sizes) == sum(100 + number for number in range(10))
    assert max(sizes) <= 310
    assert len(sizes) == 5


def test_a_file_that_is_larger_than_a_shard_may_be_has_one_of_its_own(files):
    task = build(files, files_per_shard=None, bytes_per_shard=1)
    assert [row["n_files"] for row in task.output().manifest() if row["n_files"] is not None] == [1] * 10


@given(st.lists(st.integers(0, 50)), st.integers(1, 5) | st.none(), st.integers(1, 100) | st.none())
def test_no_limit_is_passed_and_no_file_is_left_out(sizes, most_files, most_bytes):
    ends = list(cut(np.array(sizes, np.int64), ShardRule(most_files, most_bytes)))
    shards = [sizes[start:stop] for start, stop in zip([0, *ends], ends, strict=False)]
    assert [size for shard in shards for size in shard] == sizes
    for shard, following in zip(shards, [*shards[1:], None][: len(shards)], strict=True):
        assert shard
        assert most_files is None or len(shard) <= most_files
        assert most_bytes is None or sum(shard) <= most_bytes or len(shard) == 1
        if following is not None:  # and no shard ends before it has to
            is_full = len(shard) == most_files
            assert is_full or (most_bytes is not None and sum(shard) + following[0] > most_bytes)


@pytest.mark.parametrize("shard_format", FORMATS)
def test_of_no_files_there_is_one_empty_shard(tmp_path, shard_format):
    (tmp_path / "source").mkdir()
    task = build(tmp_path / "source", shard_format=shard_format)
    shards = sorted(task.output().folder.glob("shard-*"))
    assert len(shards) == 1
    assert list(read_samples(task.output().folder)) == []
    assert json.loads((task.output().folder / "shards.json").read_text())["n_files"] == 0
    if shard_format == "parquet":
        assert pq.read_schema(shards[0]).names == ["image", "outpath", "label"]


@pytest.mark.parametrize("shard_format", FORMATS)
def test_one_empty_file_is_a_shard(tmp_path, shard_format):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "nothing.jpg").touch()
    task = build(tmp_path / "source", shard_format=shard_format)
    assert list(read_samples(task.output().folder)) == [({"outpath": "nothing.jpg", "label": None}, b"")]


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_file_that_is_larger_than_every_buffer_goes_in_whole(tmp_path, monkeypatch, shard_format):
    monkeypatch.setattr(parquet_shard, "GROUP_BYTES", 1_000)
    source = make_files(tmp_path / "source", ["a/1.jpg", "a/2.jpg", "a/3.jpg"], size=2 * BUFFER_BYTES)
    task = build(source, shard_format=shard_format)
    for row, data in read_samples(task.output().folder):
        assert data == (source / row["outpath"]).read_bytes()


def test_row_groups_are_cut_by_bytes_and_hold_one_file_at_least(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_shard, "GROUP_BYTES", 210)
    source = make_files(tmp_path / "source", [f"{number}.jpg" for number in range(5)])
    task = build(source, shard_format="parquet", files_per_shard=None, seed=None)
    metadata = pq.read_metadata(task.output().folder / "shard-000000.parquet")
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [2, 2, 1]


@pytest.mark.parametrize("n_bytes", [0, 1, 63, 64, 65, 100, 999])
def test_files_of_any_size_stand_whole_beside_each_other_in_the_buffer(tmp_path, monkeypatch, n_bytes):
    monkeypatch.setattr(shard_files, "BUFFER_BYTES", 64)
    source = make_files(tmp_path / "source", [f"{number}.jpg" for number in range(5)], size=n_bytes)
    for number in range(5):
        with open(tmp_path / "shard", "wb", buffering=0) as out:
            file = ShardFile(out.fileno(), "shard")
            for other in range(number + 1):
                file.copy(str(source), f"{other}.jpg", n_bytes + other)
            file.flush()
        data = b"".join((source / f"{other}.jpg").read_bytes() for other in range(number + 1))
        assert (tmp_path / "shard").read_bytes() == data
        assert (file.size_bytes, file.digest) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_disk_that_gives_few_bytes_at_a_time_gives_the_whole_file(files, tmp_path, monkeypatch, shard_format):
    whole = build(files, tmp_path / "whole", shard_format=shard_format)
    read = os.readv
    monkeypatch.setattr(os, "readv", lambda descriptor, buffers: read(descriptor, [buffers[0][:7]]))
    assert digests_of(build(files, shard_format=shard_format)) == digests_of(whole)


def test_a_thread_uses_its_memory_again_and_no_other_does():
    memory = GroupMemory()
    first = np.asarray(memory.get(10))
    assert np.shares_memory(first, np.asarray(memory.get(5)))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: np.asarray(memory.get(10))).result()
    assert not np.shares_memory(first, other)
    assert len(memory.get(parquet_shard.GROUP_BYTES + 9)) == parquet_shard.GROUP_BYTES + 9


def test_values_that_json_does_not_know_are_null_and_text_stays_what_it_is():
    row = {"outpath": "a.jpg", "sharpness": float("inf"), "name": "Zoë \U0001f431", "is_good": True}
    assert json.loads(to_json(pa.Table.from_pylist([row]))[0]) == {**row, "sharpness": None}


VALUES = {
    "text": st.text(st.characters(codec="utf-8")),
    "%s, %": st.integers(-(2**63), 2**63 - 1),
    'a "b"\n': st.floats(allow_nan=False, allow_infinity=False),
    "is_good": st.booleans(),
    "boxes": st.lists(st.integers(0, 9) | st.none(), max_size=3),
    "time": st.datetimes(),
}
TYPES = [pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.list_(pa.int64()), pa.timestamp("us")]


@given(st.lists(st.fixed_dictionaries({name: values | st.none() for name, values in VALUES.items()}), max_size=5))
def test_each_row_is_the_json_of_its_values_whatever_they_are(rows):
    rows = [{name: row[name] for name in VALUES} for row in rows]
    expected = [json.dumps(row, ensure_ascii=False, default=datetime.isoformat).encode() for row in rows]
    assert to_json(pa.Table.from_pylist(rows, pa.schema(zip(VALUES, TYPES, strict=True)))) == expected


# Equal bytes, and the order


@pytest.mark.parametrize("shard_format", FORMATS)
def test_equal_files_give_equal_bytes_anywhere_and_with_any_number_of_threads(files, tmp_path, shard_format):
    one = build(files, tmp_path / "one", shard_format=shard_format, n_jobs=1)
    for path in files.rglob("*.jpg"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    four = build(files, tmp_path / "four", shard_format=shard_format, n_jobs=4)
    assert digests_of(one) == digests_of(four)
    assert one.output().stamp().digest == four.output().stamp().digest


def test_headers_say_nothing_of_the_machine(files):
    task = build(files)
    with tarfile.open(task.output().folder / "shard-000000.tar") as archive:
        for member in archive:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
            assert member.mode == 0o644


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=120)
            | st.text("ab/.", min_size=90, max_size=110),
            st.integers(0, 8**11 + 5),
        ),
        max_size=5,
    )
)
def test_headers_are_those_that_tarfile_makes(files):
    expected = []
    for name, size in files:
        member = tarfile.TarInfo(name)
        member.size = size
        expected.append(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
    assert make_headers([name for name, _ in files], [size for _, size in files]) == expected


def test_another_seed_gives_another_order_and_none_that_of_the_manifest(files, tmp_path):
    orders = {}
    for seed in (0, 1, None):
        task = build(files, tmp_path / f"seed{seed}", seed=seed)
        orders[seed] = [row["outpath"] for row, _ in read_samples(task.output().folder)]
    assert orders[None] == [
        row["outpath"] for row in Photos(base_dir=str(tmp_path / "seed0"), folder="").output().manifest()
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[None])
    assert orders[0] != orders[1] != orders[None] != orders[0]


def test_the_order_does_not_depend_on_that_of_the_manifest():
    paths = [f"{number}.jpg" for number in range(50)]
    forwards, backwards = FilesToShard(3), FilesToShard(3)
    forwards.add(paths, [1] * 50, None)
    backwards.add(paths[::-1], [1] * 50, None)
    ranks = forwards.plan(ShardRule(seed=3)).ranks
    assert ranks.tolist() == backwards.plan(ShardRule(seed=3)).ranks[::-1].tolist()
    assert ranks.tolist() != list(range(50))


@given(st.permutations(range(40)), st.integers(1, 50))
def test_rows_come_in_order_through_any_number_of_buckets(ranks, rows_per_bucket):
    batches = [
        pa.RecordBatch.from_pydict({"rank": ranks[:25], "name": [f"n{rank}" for rank in ranks[:25]]}),
        pa.RecordBatch.from_pydict({"rank": ranks[25:], "name": [f"n{rank}" for rank in ranks[25:]]}),
    ]
    with OrderedRows(batches[0].schema, 40, Path("/tmp"), rows_per_bucket=rows_per_bucket) as rows:
        for batch in batches:
            rows.add(batch, np.array(batch.column("rank")))
        for start, stop in ((0, 40), (7, 31), (39, 40), (5, 5)):
            found = [row for table in rows.read(start, stop) for row in table.to_pylist()]
            assert found == [{"rank": rank, "name": f"n{rank}"} for rank in range(start, stop)]


def test_threads_may_read_different_stretches_at_once():
    schema = pa.schema([("n", pa.int64())])
    with OrderedRows(schema, 1_000, Path("/tmp"), n_readers=2, rows_per_bucket=10) as rows:
        order = np.random.default_rng(0).permutation(1_000)
        rows.add(pa.RecordBatch.from_pydict({"n": order}, schema), order)
        found: dict[int, list[int]] = {}

        def read(start: int) -> None:
            found[start] = [n for table in rows.read(start, start + 250) for n in table.column("n").to_pylist()]

        threads = [threading.Thread(target=read, args=(start,)) for start in range(0, 1_000, 250)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {start: list(range(start, start + 250)) for start in range(0, 1_000, 250)}


def test_no_more_files_are_open_for_many_rows_than_for_some():
    schema = pa.schema([("n", pa.int64())])
    with OrderedRows(schema, 10_000_000, Path("/tmp"), rows_per_bucket=1_000) as rows:
        numbers = np.arange(0, 10_000_000, 1_000)
        before = len(os.listdir("/proc/self/fd"))
        rows.add(pa.RecordBatch.from_pydict({"n": numbers}, schema), numbers)
        assert len(os.listdir("/proc/self/fd")) - before <= shard_rows.MAX_BUCKETS


# Keys


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
DOTTED = st.text("ab._%J2E5Fjpg\n ", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES | DOTTED, min_size=1, max_size=3).map("/".join)


@given(st.lists(PATHS, unique=True, max_size=30))
def test_no_two_files_share_a_key(paths):
    keys = SharedKeys()
    keys.add(paths)
    names = [name_sample(path, is_shared=shared) for path, shared in zip(paths, keys.find(), strict=True)]
    assert len({name.key for name in names}) == len(paths)


@given(PATHS)
def test_a_key_reads_back_to_the_path_it_was_made_from(path):
    assert unquote(quote_key(path)) == path


@given(PATHS, st.booleans())
def test_readers_cut_a_name_where_the_key_ends(path, is_shared):
    webdataset_cut = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")  # what webdataset and datasets look for
    name = name_sample(path, is_shared=is_shared)
    found = webdataset_cut.match(f"{name.key}.{name.extension}")
    assert found is not None
    assert found.groups() == name
    assert not any(part.startswith("__") for part in name.key.split("/"))
    assert name.extension == name.extension.lower()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("cats/1.jpg", ("cats/1", "jpg")),
        ("v1.0/IMG.001.JPG", ("v1.0/IMG%2E001", "jpg")),
        ("100%.png", ("100%25", "png")),
        (".hidden", ("%2Ehidden", "bin")),
        ("README", ("README", "bin")),
        ("__meta__/__1.jpg", ("%5F_meta__/%5F_1", "jpg")),
        ("été/ß.jpg", ("été/ß", "jpg")),
    ],
)
def test_a_key_is_the_path_without_extension_as_far_as_readers_take_it(path, name):
    assert name_sample(path) == name


def test_files_of_one_name_have_their_extension_in_the_key(tmp_path):
    source = make_files(tmp_path / "source", ["a.jpg", "a.png", "a.jpg.png", "b.jpg"])
    task = build(source, files_per_shard=None)
    names = [name for name in read_tar(task.output().folder / "shard-000000.tar") if not name.endswith(".json")]
    assert sorted(names) == ["a%2Ejpg%2Epng.png", "a%2Ejpg.jpg", "a%2Epng.png", "b.jpg"]


def test_long_names_and_names_beyond_ascii_are_read_back(tmp_path):
    paths = [f"{'long' * 50}/{'name' * 50}.jpg", "été/猫.jpg", "plain/1.jpg"]
    source = make_files(tmp_path / "source", paths)
    task = build(source)
    members = read_tar(task.output().folder / "shard-000000.tar")
    assert {name for name in members if name.endswith(".jpg")} == set(paths)


# Refused before anything is written


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shard_format": "zip"}, r"Shards.shard_format is 'zip': give one of webdataset, parquet"),
        ({"files_per_shard": 0}, r"files_per_shard is 0: give a whole number of at least 1, or None"),
        ({"bytes_per_shard": -5}, r"bytes_per_shard is -5: give a whole number of at least 1, or None"),
    ],
)
def test_settings_that_make_no_shards_are_refused(files, parameters, message):
    with pytest.raises(SettingsError, match=message):
        build(files, **parameters)


def test_a_json_file_is_refused_because_its_name_is_taken(tmp_path):
    source = make_files(tmp_path / "source", ["a.jpg", "cats/b.JSON"])
    with pytest.raises(SettingsError, match=r"cats/b.JSON would take the name of what is known of it"):
        build(source)
    assert len(list(read_samples(build(source, shard_format="parquet").output().folder))) == 2


def test_a_carried_column_with_the_name_of_the_images_is_refused(files):
    class WithImage(Photos):
        carried_columns = {"image": str}

    @requires(WithImage)
    class OfImage(processed.WriteShards):
        pass

    with pytest.raises(ManifestError, match=r"carry a column 'image'.*set OfImage.data_column to another name"):
        build(files, cls=OfImage, shard_format="parquet")


def test_two_stages_above_are_refused(files):
    class Two(Shards):
        def requires(self):
            return [Photos(base_dir=self.base_dir, folder=self.folder), self.clone(Split)]

    with pytest.raises(SettingsError, match=r"Two requires Photos, Split, and exports the files of one stage"):
        build(files, cls=Two)


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"part_column": "fold"}, ManifestError, r"there is no column 'fold' .* set part_column to one of"),
        ({"part_column": "size_bytes"}, ManifestError, r"'size_bytes' holds int64, and the name of a part is text"),
        ({"part_column": "inpath"}, ManifestError, r"'a/0.jpg' is the name of a part, and cannot begin"),
        ({"part_column": "error"}, ManifestError, r"a/0.jpg is in no part, its 'error' is empty"),
    ],
)
def test_a_column_that_names_no_parts_is_refused(files, attributes, error, message):
    odd = type("Odd", (Shards,), attributes)
    with pytest.raises(error, match=message):
        build(files, cls=odd)


# Files that fail


@pytest.mark.parametrize("shard_format", FORMATS)
def test_files_that_are_gone_or_changed_are_an_error_that_names_the_first_and_counts_them(files, shard_format):
    photos = Photos(base_dir=str(files.parent / "data"), folder=str(files))
    photos.run()
    (photos.output().folder / "a" / "3.jpg").unlink()
    (photos.output().folder / "b" / "1.jpg").write_bytes(b"short")
    task = Shards(base_dir=photos.base_dir, folder=str(files), shard_format=shard_format, seed=None)
    message = (
        r"2 of 10 files could not be read, so .*Shards.* was not published; the shards without them are kept. "
        r"First: a/3.jpg: FileNotFoundError: No such file or directory. See .*: tintype verify .*Photos"
    )
    with pytest.raises(FileError, match=message):
        task.run()
    assert not task.output().exists()


def test_after_a_bad_file_is_mended_only_its_shard_is_written_again(files, monkeypatch):
    photos = Photos(base_dir=str(files.parent / "data"), folder=str(files))
    photos.run()
    path = photos.output().folder / "a" / "3.jpg"
    data = path.read_bytes()
    path.write_bytes(b"short")
    task = Shards(base_dir=photos.base_dir, folder=str(files), seed=None)
    with pytest.raises(FileError, match=r"1 of 10 files .*: a/3.jpg: it has 5 bytes, and its manifest says 103"):
        task.run()
    path.write_bytes(data)
    opened = watch_reading(monkeypatch)
    task.run()
    assert opened == ["a/3.jpg", "a/4.jpg", "b/0.jpg"]
    assert task.output().verify(deep=True).ok
    assert len(list(read_samples(task.output().folder))) == 10


def watch_reading(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that will hold the paths of the files that are read."""
    opened: list[str] = []
    copy = ShardFile.copy

    def note(self: ShardFile, folder: str, outpath: str, size_bytes: int) -> None:
        opened.append(outpath)
        copy(self, folder, outpath, size_bytes)

    monkeypatch.setattr(ShardFile, "copy", note)
    return opened


def test_a_large_file_that_is_cut_off_while_it_is_read_is_a_bad_file(tmp_path, monkeypatch):
    source = make_files(tmp_path / "source", ["a.jpg", "b.jpg"], size=BUFFER_BYTES)
    read_into = SourceFile.read_into

    def cut_off(self: SourceFile, buffer: memoryview) -> None:
        if self.outpath == "b.jpg":
            os.truncate(tmp_path / "data" / "raw" / "Photos" / "b.jpg", 7)
        read_into(self, buffer)

    monkeypatch.setattr(SourceFile, "read_into", cut_off)
    with pytest.raises(FileError, match=r"b.jpg: it ended before its 1,048,577 bytes"):
        build(source)


@pytest.mark.parametrize("n_there", [0, 6, 8, 5_000])
def test_a_file_of_another_size_says_how_long_it_is(tmp_path, n_there):
    (tmp_path / "a.jpg").write_bytes(bytes(n_there))
    with pytest.raises(BadFileError, match=f"it has {n_there:,} bytes, and its manifest says 7") as caught:
        read_whole(str(tmp_path), "a.jpg", 7, memoryview(bytearray(8)))
    assert caught.value.outpath == "a.jpg"


@pytest.mark.parametrize(("name", "reason"), [("a.jpg", "FileNotFoundError: "), (".", "IsADirectoryError: ")])
def test_what_cannot_be_read_says_why(tmp_path, name, reason):
    with pytest.raises(BadFileError, match=reason):
        read_whole(str(tmp_path), name, 7, memoryview(bytearray(8)))


@pytest.mark.parametrize("n_bytes", [7, 9])
def test_reading_leaves_no_file_open(tmp_path, n_bytes):
    (tmp_path / "a.jpg").write_bytes(bytes(n_bytes))
    n_open = len(os.listdir("/proc/self/fd"))
    with suppress(BadFileError):
        read_whole(str(tmp_path), "a.jpg", 7, memoryview(bytearray(8)))
    assert len(os.listdir("/proc/self/fd")) == n_open


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_shard_is_durable_before_it_counts_as_finished_when_that_is_asked_for(files, monkeypatch, is_durable):
    get_config().set("tintype", "durable", str(is_durable).lower())
    synced: set[int] = set()
    counted: list[bool] = []
    fsync = os.fsync

    def note_sync(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def note_shard(staging: Staging, finished: Any) -> None:
        counted.append((staging.files / finished.shard.outpath).stat().st_ino in synced)
        put_on_manifest(staging, finished)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(write_shards, "put_on_manifest", note_shard)
    build(files)
    assert counted == [is_durable] * 4


# Interrupted builds


def test_finished_shards_of_a_stopped_build_are_kept(files, tmp_path, monkeypatch):
    whole = build(files, tmp_path / "whole")
    finish = ShardFile.flush
    n_finished = 0

    def stop_at_the_third(self: ShardFile) -> None:
        nonlocal n_finished
        n_finished += 1
        if n_finished == 3:
            raise KeyboardInterrupt("stopped")
        finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(ShardFile, "flush", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            build(files, n_jobs=1)
    opened = watch_reading(monkeypatch)
    task = build(files, n_jobs=1)
    order = [row["outpath"] for row, _ in read_samples(whole.output().folder)]
    assert opened[:3] == order[6:9]
    assert set(opened) <= set(order[6:])  # the fourth shard may have been finished while the build stopped
    assert digests_of(task) == digests_of(whole)


KILLED = """
import os, signal, sys
from test_write_shards import Shards
from luigi.configuration import get_config
from tintype.processed import write_shards

get_config().set("tintype", "durable", "false")
n_done = 0
put_on_manifest = write_shards.put_on_manifest

def kill_at_the_third(staging, finished):
    global n_done
    n_done += 1
    if n_done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    put_on_manifest(staging, finished)

write_shards.put_on_manifest = kill_at_the_third
Shards(base_dir=sys.argv[1], folder=sys.argv[2], n_jobs=1).run()
"""


def test_a_killed_build_goes_on_with_the_shards_that_are_not_finished(files, tmp_path, monkeypatch):
    whole = build(files, tmp_path / "whole")
    Photos(base_dir=str(tmp_path / "data"), folder=str(files)).run()
    # The module has the name here that it has in pytest: the code of a stage is known by it.
    folders = os.pathsep.join(map(str, Path(__file__).parents[:2]))
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path / "data"), str(files)],
        env={**os.environ, "PYTHONPATH": folders},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    opened = watch_reading(monkeypatch)
    task = build(files, tmp_path / "data")
    assert len(opened) == 4
    assert digests_of(task) == digests_of(whole)
    assert task.output().verify(deep=True).ok


WITHOUT_PANDAS = """
import sys
from pathlib import Path
from test_write_shards import SplitShards, build

print("pandas" in sys.modules)
task = build(Path(sys.argv[1]), cls=SplitShards, shard_format=sys.argv[2])
print("pandas" in sys.modules, task.output().stamp().n_files)
"""


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_split_and_its_shards_do_without_pandas(files, shard_format):
    """Arrow would import it to turn its arrays into NumPy's, which takes 0.4 s in each process that Luigi forks."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PANDAS, str(files), shard_format],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))},
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == ["False", "False", "8"], result.stderr


def test_shards_of_another_order_are_not_taken_for_finished(files, tmp_path, monkeypatch):
    """The digest of a directory does not depend on the order of its rows, and shards do where there is no seed."""
    paths = [f"{label}/{number}.jpg" for label in "ab" for number in range(5)]

    base_dir = tmp_path / "data"
    publish_in_order(base_dir, files, paths)
    with monkeypatch.context() as patch:
        patch.setattr("tintype.processed.write_shards.write_card", stop)
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            Shards(base_dir=str(base_dir), folder=str(files), seed=None, files_per_shard=4).run()
    publish_in_order(base_dir, files, paths[::-1])
    task = Shards(base_dir=str(base_dir), folder=str(files), seed=None, files_per_shard=4)
    task.run()
    assert [row["outpath"] for row, _ in read_samples(task.output().folder)] == paths[::-1]
    assert task.output().verify(deep=True).ok


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt("stopped")


def publish_in_order(base_dir: Path, source: Path, paths: list[str]) -> None:
    """Publish files as Photos does, in an order of one's own."""
    photos = Photos(base_dir=str(base_dir), folder=str(source))
    photos.output().remove()
    with Staging(photos.output().folder, photos.recipe()) as staging:
        for path in paths:
            (staging.files / path).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / path, staging.files / path)
            staging.add(path, inpath=path, columns={"label": path[0]})
        staging.publish(Stage.manifest_batches(photos, staging), photos.extra_schema())


# Read by those it is for


def import_reader(name: str) -> Any:
    """Return a package that reads shards, or skip or fail the test."""
    if importlib.util.find_spec(name) is None:
        skip_or_fail(f"this test needs {name}: pip install 'tintype[consumers]'")
    return importlib.import_module(name)


@pytest.fixture
def wds() -> Any:
    return import_reader("webdataset")


@pytest.fixture(scope="module")
def hf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return Hugging Face datasets, which must ask nobody and keep its cache in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        package = import_reader("datasets")
        package.disable_progress_bars()
        yield package


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves its files to the garbage collector
def test_webdataset_reads_each_image_with_what_is_known_of_it(photographs, tmp_path, wds):
    task = build(photographs, tmp_path / "data")
    urls = [str(path) for path in task.output().files() if path.suffix == ".tar"]
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert len(samples) == 8
    for sample in samples:
        path = photographs / sample["json"]["outpath"]
        image = sample[path.suffix[1:]]
        np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(path).convert("RGB")))
        assert sample["json"]["label"] == path.parent.name
        assert sample["__key__"] == sample["json"]["outpath"].rpartition(".")[0]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdataset_reads_every_file_whatever_its_name(tmp_path, wds):
    paths = [
        "a.jpg",
        "a.png",
        "a.b.jpg",
        "v1.0/__x.jpg",
        "__y__/1.jpg",
        ".hid.den.jpg",
        "no extension",
        "été/猫.JPG",
        "%.jpg",
    ]
    source = make_files(tmp_path / "source", paths)
    task = build(source)
    published = {row["outpath"] for row in Photos(base_dir=task.base_dir, folder=str(source)).output().manifest()}
    urls = [str(path) for path in task.output().files() if path.suffix == ".tar"]
    samples = list(wds.WebDataset(urls, shardshuffle=False))
    assert {json.loads(sample["json"])["outpath"] for sample in samples} == published
    assert len({sample["__key__"] for sample in samples}) == len(samples) == len(published)
    for sample in samples:
        path = source / json.loads(sample["json"])["outpath"]
        assert sample[path.suffix[1:].lower() or "bin"] == path.read_bytes()


def test_datasets_reads_a_folder_of_parquet_shards_as_images(photographs, tmp_path, hf):
    task = build(photographs, tmp_path / "data", shard_format="parquet")
    dataset = hf.load_dataset(str(task.output().folder))
    assert list(dataset) == ["train"]
    assert dataset["train"].features == {
        "image": hf.Image(),
        "outpath": hf.Value("string"),
        "label": hf.Value("string"),
    }
    rows = list(dataset["train"])
    assert len(rows) == 8
    for row in rows:
        path = photographs / row["outpath"]
        np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(Image.open(path)))
        assert row["label"] == path.parent.name


@pytest.mark.parametrize("shard_format", ["parquet", "webdataset"])
def test_datasets_reads_shards_that_were_built_again_and_not_what_it_kept_of_the_old(pngs, shard_format, hf):
    task = build(pngs, shard_format=shard_format)
    assert len(hf.load_dataset(str(task.output().folder), split="train")) == 10
    (pngs / "a" / "0.png").unlink()
    task = build(pngs, shard_format=shard_format)
    assert len(hf.load_dataset(str(task.output().folder), split="train")) == 9


@pytest.mark.parametrize("name", ["", None, 5])
def test_the_column_of_the_files_needs_a_name(pngs, name):
    with pytest.raises(SettingsError, match=f"Odd.data_column is {name!r}: give the name of a column"):
        build(pngs, cls=type("Odd", (Shards,), {"data_column": name}), shard_format="parquet")


def test_datasets_streams_parquet_shards_and_casts_labels_to_classes(photographs, tmp_path, hf):
    task = build(photographs, tmp_path / "data", shard_format="parquet")
    shards = [str(path) for path in task.output().files() if path.suffix == ".parquet"]
    stream = hf.load_dataset("parquet", data_files=shards, split="train", streaming=True)
    assert {row["label"] for row in stream} == {"cats", "people", "space", "things"}
    whole = hf.load_dataset("parquet", data_files=shards, split="train").class_encode_column("label")
    assert whole.features["label"].names == ["cats", "people", "space", "things"]


def test_every_type_of_column_is_a_feature_of_its_own(hf):
    schema = pa.schema(
        [("is_good", pa.bool_()), ("width", pa.int64()), ("score", pa.float64()), ("taken", pa.timestamp("us", "UTC"))]
    )
    whole = parquet_shard.shard_schema(schema, "photo")
    features = hf.Features.from_arrow_schema(whole)
    assert features["photo"] == hf.Image()
    assert [features[name].dtype for name in schema.names] == ["bool", "int64", "float64", "timestamp[us, tz=UTC]"]


@pytest.mark.parametrize("shard_format", FORMATS)
def test_the_card_tells_datasets_which_shards_are_of_which_split(pngs, shard_format, hf):
    task = build(pngs, cls=SplitShards, shard_format=shard_format)
    dataset = hf.load_dataset(str(task.output().folder))
    assert {name: len(split) for name, split in dataset.items()} == {"train": 5, "valid": 5}
    for name, split in dataset.items():
        for row in split:
            known = row if shard_format == "parquet" else row["json"]
            image = row["image"] if shard_format == "parquet" else row["png"]
            assert known["part"] == name
            assert image.getpixel((0, 0)) == Image.open(pngs / known["label"] / Path(known["outpath"]).name).getpixel(
                (0, 0)
            )


def test_shards_of_no_images_have_the_same_features(tmp_path, hf):
    (tmp_path / "source").mkdir()
    task = build(tmp_path / "source", shard_format="parquet")
    stream = hf.load_dataset(str(task.output().folder), split="train", streaming=True)  # it loads none of zero rows
    assert (list(stream), stream.features["image"]) == ([], hf.Image())


def read_code(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_on_exports_runs_from_top_to_bottom(photographs, tmp_path, wds, hf):
    import_reader("torch")
    blocks = read_code(Path(__file__).parents[1] / "docs" / "how-to" / "export.md")
    assert len(blocks) == 5
    shutil.copytree(photographs, tmp_path / "photos")
    shutil.copy(tmp_path / "photos" / "cats" / "chelsea.png", tmp_path / "photos" / "cats" / "again.png")
    program = "import warnings; warnings.simplefilter('ignore')\n" + "\n".join(blocks)
    program += "\nassert len(dataset['train']) + len(dataset['valid']) == 9\nassert images.shape[1:] == (3, 64, 64)\n"
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
