"""Behaviour of plan_split: parts, folders and names of files, decided without a disk; and of the tables beside them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import SettingsError, SplitError
from tintype.processed import SplitRule, plan_split
from tintype.processed.splits.plan import SplitFiles, SplitPlan
from tintype.processed.splits.table import TableJoin, digest_table, read_table

HALVES = {"train": 0.5, "valid": 0.5}

File = tuple[str, str | None, str | None]
"""Path, label and group."""


def plan_of(files: Sequence[File], rule: SplitRule, *, grouped: bool = True, at_once: int = 3) -> SplitPlan:
    def read() -> list[SplitFiles]:
        return [
            SplitFiles(
                [path for path, _, _ in some],
                pa.array([label for _, label, _ in some], pa.string()),
                pa.array([group for _, _, group in some], pa.string()) if grouped else None,
            )
            for some in (files[start : start + at_once] for start in range(0, len(files), at_once))
        ]

    return plan_split(read, rule)


def plan_if_there_are_enough(files: Sequence[File], rule: SplitRule, *, grouped: bool = True) -> SplitPlan | None:
    """Return the plan; None when there are too few groups, or chance leaves a part empty."""
    try:
        return plan_of(files, rule, grouped=grouped)
    except SettingsError as error:
        if re.search(r"would get none|there are \d groups for", str(error)):
            return None
        raise


def paths_of(files: Sequence[File], plan: SplitPlan) -> dict[str, str]:
    """Return where each file goes."""
    return dict(zip([path for path, _, _ in files], plan.outpaths(0, [path for path, _, _ in files]), strict=True))


FILES = st.lists(
    st.tuples(
        st.from_regex(r"[ab]/[0-9]{1,2}\.png", fullmatch=True),
        st.sampled_from(["cat", "dog", "猫"]),
        st.sampled_from("abcdefgh"),
    ),
    min_size=8,
    max_size=60,
    unique_by=lambda file: file[0],
)
RULES = st.sampled_from(
    [
        SplitRule(HALVES),
        SplitRule({"a": 0.6, "b": 0.2, "c": 0.2}, method="exact"),
        SplitRule({"train": None, "valid": 3}),
        SplitRule(HALVES, method="exact", count_in="groups"),
        SplitRule(HALVES, stratify=True),
    ]
)


@settings(max_examples=300)
@given(FILES, RULES, st.booleans())
def test_groups_never_straddle_and_no_file_is_lost_or_doubled(files, rule, grouped):
    plan = plan_if_there_are_enough(files, rule, grouped=grouped)
    if plan is None:
        return
    assert len(plan) == sum(plan.n_files) == len(files)
    paths = paths_of(files, plan)
    assert len(set(paths.values())) == len(files)
    part_of: dict[str, set[str]] = {}
    for path, label, group in files:
        part, folder, _ = paths[path].split("/")
        assert part in rule.parts
        assert folder == label
        part_of.setdefault(group if grouped else path, set()).add(part)
    assert all(len(parts) == 1 for parts in part_of.values())
    assert min(plan.n_files) > 0
    assert sum(plan.n_groups) == len(part_of)


@given(FILES, FILES)
def test_with_the_stable_method_more_files_move_no_group(files, more):
    rule = SplitRule({"train": 0.5, "valid": 0.5})
    everything = list({file[0]: file for file in [*more, *files]}.values())
    old, new = plan_if_there_are_enough(files, rule), plan_if_there_are_enough(everything, rule)
    if old is None or new is None:
        return
    before, after = paths_of(files, old), paths_of(everything, new)
    part_of_group = {group: after[path].split("/")[0] for path, _, group in everything}
    assert all(before[path].split("/")[0] == part_of_group[group] for path, _, group in files)


def test_this_split_is_the_same_for_ever():
    """Frozen: on every version of Python, and in every later version of tintype."""
    files: list[File] = [(f"{n % 3}/{n // 2}.png", "cat" if n % 4 else "dog", f"patient {n // 3}") for n in range(12)]
    rules = {
        "stable": SplitRule(HALVES),
        "exact": SplitRule(HALVES, method="exact"),
        "strata": SplitRule(HALVES, stratify=True),
    }
    parts = {
        name: "".join(path[0] for path in paths_of(files, plan_of(files, rule)).values())
        for name, rule in rules.items()
    }
    assert parts == {"stable": "ttttttvvvvvv", "exact": "ttttttvvvvvv", "strata": "vvvttttttvvv"}
    assert list(paths_of(files, plan_of(files, rules["stable"])).values())[:3] == [
        "train/dog/0.png",
        "train/cat/0.png",
        "train/cat/1-3c557926.png",
    ]


def test_the_order_of_files_parts_and_batches_decides_nothing():
    files: list[File] = [(f"{n % 7}/{n // 7}.png", f"label {n % 3}", f"group {n % 11}") for n in range(60)]
    for method in ("stable", "exact"):
        one = paths_of(files, plan_of(files, SplitRule({"train": 0.7, "valid": 0.3}, method=method)))
        rule = SplitRule({"valid": 0.3, "train": 0.7}, method=method)
        assert paths_of(files[::-1], plan_of(files[::-1], rule, at_once=7)) == one


def test_every_label_has_a_folder_in_every_part():
    plan = plan_of([("1.png", "cat", "a"), ("2.png", "dog", "b")], SplitRule({"train": 1, "valid": 1}))
    assert list(plan.folders()) == ["train/cat", "train/dog", "valid/cat", "valid/dog"]


def test_a_plan_says_its_sizes():
    plan = plan_of([("1.png", "cat", "a"), ("2.png", "dog", "b")], SplitRule({"train": 1, "valid": 1}))
    assert plan.describe() == "train 1 files of 1 groups, valid 1 files of 1 groups"


def test_parts_are_strata_of_the_labels_where_asked_for():
    files: list[File] = [(f"{n}.png", "rare" if n < 10 else "common", None) for n in range(100)]
    plan = plan_of(files, SplitRule({"train": 0.8, "valid": 0.2}, stratify=True), grouped=False)
    paths = paths_of(files, plan).values()
    assert sum(path.startswith("valid/rare/") for path in paths) == 2
    assert sum(path.startswith("valid/common/") for path in paths) == 18


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            [("1.png", None, "a"), ("2.png", "cat", "b"), ("3.png", None, "c")],
            "2 of 3 files have no label, the first is 1",
        ),
        ([("1.png", "cat", "a"), ("2.png", "cat", None)], "1 of 2 files have no group, the first is 2.png"),
        ([("1.png", "cat", "a"), ("2.png", "a/b", "b")], "2.png has the label 'a/b', which holds a '/'"),
        ([("1.png", "..", "a"), ("2.png", ".", "b")], r"has the label '\.', which begins with a '\.'.* \(and 1 more\)"),
    ],
)
def test_a_file_that_has_no_place_is_told(files, words):
    with pytest.raises(SplitError, match=words):
        plan_of(files, SplitRule(HALVES))


@pytest.mark.parametrize(
    ("files", "rule", "words"),
    [
        ([], SplitRule(HALVES), "there are no files to split"),
        (
            [("1.png", "cat", "a")],
            SplitRule(HALVES),
            "would get none of the 1 files in 1 groups.* set method to 'exact'",
        ),
        ([("1.png", "cat", "a")], SplitRule(HALVES, method="exact"), "there are 1 groups for 2 parts"),
        (
            [("1.png", "cat", "a"), ("2.png", "cat", "a")],
            SplitRule({"train": None, "valid": 1}),
            "there are 1 groups for 2 parts",
        ),
        (
            [("1.png", "cat", "a"), ("2.png", "cat", "b")],
            SplitRule({"train": None, "valid": 2}),
            "none is left for train",
        ),
        ([("1.png", "cat", "a"), ("2.png", "cat", "b")], SplitRule({"train": 2, "valid": 2}), "there are 2 files"),
    ],
)
def test_a_part_that_would_be_empty_and_sizes_that_cannot_be_met_are_told(files, rule, words):
    with pytest.raises(SettingsError, match=words):
        plan_of(files, rule)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"method": "random"}, "method is 'random': give 'stable' or 'exact'"),
        ({"count_in": "bytes"}, "count_in is 'bytes'"),
        ({"seed": 1.5}, "seed is 1.5: give a whole number"),
        ({"seed": True}, "seed is True"),
        ({"method": "stable", "stratify": True}, "and so strata cannot be met"),
        ({"method": "stable", "parts": {"train": None, "valid": 3}}, "and so counts cannot be met"),
        ({"stratify": True, "count_in": "groups"}, "stratify looks at the rows of each label"),
    ],
)
def test_a_rule_that_cannot_be_is_told(wishes, words):
    with pytest.raises(SettingsError, match=words):
        SplitRule(**{"parts": HALVES, **wishes})


# Tables

ROWS = "path,label,group,size\na.jpg,cat,007,1.5\nb.jpg,NA,,2.5\nc.jpg,,x,3\n"
TEXTS = {"path": ["a.jpg", "b.jpg", "c.jpg"], "label": ["cat", "NA", None], "group": ["007", None, "x"]}


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz", "rows.parquet"])
def test_the_columns_of_a_file_are_text_and_an_empty_cell_is_nothing(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table({**TEXTS, "size": [1.5, 2.5, 3]}), path)
    else:
        text = ROWS.replace(",", "\t") if ".tsv" in name else ROWS
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read_table(path, ["path", "label"], optional=["group", "none"]).to_pydict() == TEXTS
    assert read_table(str(path), ["path", "label", "group"]).to_pydict() == TEXTS


def test_the_columns_of_a_frame_are_text_too():
    frame = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "gone": [1.0, np.nan, 3.0],
            "mixed": pd.Series([1, "a", None], dtype="object"),
            "nullable": pd.Series([1.0, np.nan, 3.0]).astype("Int64"),
            "kind": pd.Series(["x", "", "y"]).astype("category"),
            "truth": [True, False, True],
        }
    )
    assert read_table(frame, list(frame.columns)).to_pydict() == {
        "whole": ["1", "2", "3"],
        "gone": ["1", None, "3"],
        "mixed": ["1", "a", None],
        "nullable": ["1", None, "3"],
        "kind": ["x", None, "y"],
        "truth": ["true", "false", "true"],
    }


@pytest.mark.parametrize("values", [[0.5, 1.5], ["a", 0.5]])
def test_numbers_with_fractions_are_no_names(values):
    with pytest.raises(SplitError, match="labels and groups are names"):
        read_table(pd.DataFrame({"label": values}), ["label"])


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("rows.csv", None, SplitError, "is not there: correct its path"),
        ("rows.csv", "a,b\n1,2\n", SplitError, r"rows.csv has no column 'path'; there are: 'a', 'b'"),
        ("rows.csv", "path,b\n1\n", SplitError, "cannot be read"),
        ("rows.parquet", "no parquet", SplitError, "cannot be read"),
        ("rows.xlsx", "x", SettingsError, r"ends in none of \.csv, \.tsv, \.parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(tmp_path, name, content, error, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(error, match=words):
        read_table(tmp_path / name, ["path"])


def test_what_is_no_table_is_told():
    table: Any = ["a"]
    with pytest.raises(SettingsError, match="table is a list: give the path of a file, or a DataFrame"):
        read_table(table, ["path"])


def test_a_key_that_is_there_twice_is_told():
    with pytest.raises(SplitError, match=r"rows\.csv has 2 rows with the key 'a' in 'path': leave one of each"):
        TableJoin(pa.table({"path": ["a.jpg", "b.jpg", "a.png"]}), "path", by_path=True, shown="rows.csv")


def test_rows_are_found_by_path_without_extension_or_by_equal_values():
    table = pa.table({"path": ["x/a.jpg", "b.jpg"]})
    by_path = TableJoin(table, "path", by_path=True, shown="it")
    assert by_path.find(pa.array(["b.png", "x/a.png", "a.png", None])).to_pylist() == [1, 0, None, None]
    by_value = TableJoin(table, "path", by_path=False, shown="it")
    assert by_value.find(pa.array(["b.png", "b.jpg"])).to_pylist() == [None, 1]


def test_the_digest_of_a_frame_is_that_of_its_values():
    frame = pd.DataFrame({"path": ["a", "b"], "label": ["x", "y"], "other": [1, 2]})
    digest = digest_table(frame, ["path", "label"])
    assert digest_table(frame.copy().assign(other=[3, 4]), ["path", "label"]) == digest
    assert digest_table(frame.assign(label=["x", "z"]), ["path", "label"]) != digest
    assert digest_table(frame.assign(label=["x", ""]), ["path", "label"]) != digest


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a.csv").write_text("path\na\n")
    assert digest_table(tmp_path / "a.csv", ["path"]) == digest_table(str(tmp_path / "a.csv"), [])
    assert digest_table(tmp_path / "none.csv", ["path"]) == "absent"
