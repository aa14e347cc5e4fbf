"""Behaviour of create_imagenet_style_symlinks and group_train_test_split."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tintype.errors import SettingsError, SplitError, StrayDirectoryError
from tintype.processed import create_imagenet_style_symlinks, group_train_test_split

# group_train_test_split


def test_a_sparse_matrix_is_split_by_its_rows():
    sparse = pytest.importorskip("scipy.sparse")
    whole = sparse.csr_matrix(np.eye(4))
    train, test, y_train, y_test = group_train_test_split(whole, list("abcd"), [1, 1, 2, 2], 1, 0)
    assert train.shape == test.shape == (2, 4)
    assert sorted(y_train + y_test) == list("abcd")


@given(st.lists(st.integers(0, 9), min_size=2, max_size=50), st.integers(0, 99), st.floats(0.01, 0.99))
def test_no_group_is_on_both_sides_and_no_row_is_lost_or_doubled(groups, seed, size):
    if len(set(groups)) < 2 or np.ceil(round(size * len(set(groups)), 9)) == len(set(groups)):
        return
    rows = list(range(len(groups)))
    x_train, x_test, y_train, y_test = group_train_test_split(rows, [-row for row in rows], groups, size, seed)
    assert sorted(x_train + x_test) == rows
    assert ([-y for y in y_train], [-y for y in y_test]) == (x_train, x_test)
    assert not {groups[row] for row in x_train} & {groups[row] for row in x_test}
    assert x_train
    assert len({groups[row] for row in x_test}) == np.ceil(round(size * len(set(groups)), 9))


def test_data_frames_keep_their_index_and_their_kind():
    frame = pd.DataFrame({"size": [3, 4, 5, 6]}, index=list("abcd"))
    labels = pd.Series([0, 1, 0, 1], index=list("abcd"))
    x_train, x_test, y_train, y_test = group_train_test_split(frame, labels, pd.Series([0, 0, 0, 1]), 1, 5)
    assert {len(x_train), len(x_test)} == {1, 3}
    assert x_train.index.tolist() == y_train.index.tolist()
    assert x_test.index.tolist() == y_test.index.tolist()
    assert sorted([*x_train.index, *x_test.index]) == list("abcd")


def test_arrays_stay_arrays_and_tuples_tuples():
    x_train, x_test, y_train, y_test = group_train_test_split(np.eye(3), (1, 2, 3), ["a", "b", "a"], 1, 0)
    assert x_train.shape[1] == x_test.shape[1] == 3
    assert isinstance(y_train, tuple)
    assert sorted(y_train + y_test) == [1, 2, 3]


def test_without_groups_each_row_is_one():
    x_train, x_test, _, _ = group_train_test_split(list("abcdef"), range(6), None, 2, 0)
    assert len(x_test) == 2
    assert sorted(x_train + x_test) == list("abcdef")


def test_the_same_seed_gives_the_same_split_in_any_order_of_the_rows_and_another_seed_another():
    names = [f"group {number % 40}" for number in range(200)]

    def test_groups(groups: list[str], seed: int) -> set[str]:
        return set(group_train_test_split(groups, groups, groups, 0.5, seed)[1])

    assert test_groups(names, 1) == test_groups(names[::-1], 1)
    assert test_groups(names, 1) != test_groups(names, 2)


def test_this_split_is_the_same_for_ever():
    letters = list("abcdefghij")
    assert group_train_test_split(letters, letters, letters, 0.4, 0)[1] == list("acdh")


def test_without_a_seed_each_split_is_another():
    rows = list(range(200))
    splits = {tuple(group_train_test_split(rows, rows, rows, 100)[1]) for _ in range(3)}
    assert len(splits) == 3


@pytest.mark.parametrize("size", [0, 6, 7, -1, 0.0, 1.0, 1.5, True, "2", 0.99, None, float("nan")])
def test_a_size_that_cannot_be_met_is_told(size):
    with pytest.raises(SettingsError, match="test_size is"):
        group_train_test_split(list("abcdef"), list("abcdef"), list("abcdef"), size, 0)


def test_one_group_cannot_be_split():
    with pytest.raises(SettingsError, match="which is 1 of 1 groups: leave at least one on each side"):
        group_train_test_split([1, 2], [1, 2], ["a", "a"], 0.5)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_row_without_a_group_is_told(missing):
    with pytest.raises(SplitError, match="row 1 has no group"):
        group_train_test_split([1, 2, 3], [1, 2, 3], ["a", missing, "b"], 1)


def test_lengths_that_differ_are_told():
    with pytest.raises(SettingsError, match=r"the lengths differ \(X 2, y 3, groups 2\)"):
        group_train_test_split([1, 2], [1, 2, 3], [1, 2], 1)


@pytest.mark.parametrize("seed", [1.5, "1", True])
def test_a_seed_that_is_no_number_is_told(seed):
    with pytest.raises(SettingsError, match="random_state is"):
        group_train_test_split([1, 2], [1, 2], [1, 2], 1, seed)


# create_imagenet_style_symlinks


@pytest.fixture
def frame(photographs: Path, tmp_path: Path) -> pd.DataFrame:
    """Return 20 files of two labels in three groups, which are real photographs, by their absolute paths."""
    sources = sorted(photographs.rglob("*.*"))
    rows = []
    for number in range(20):
        source = sources[number % len(sources)]
        path = tmp_path / "photos" / f"{number}{source.suffix}"
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, path)
        rows.append({"path": str(path), "label": f"fake{number % 2 + 1}", "group": "abc"[number % 3]})
    return pd.DataFrame(rows)


def links_in(folder: Path) -> dict[str, Path]:
    """Return what each link leads to; all of them lead somewhere."""
    found = {}
    for link in sorted(folder.rglob("*")):
        if not link.is_dir():
            assert link.is_symlink()
            found[link.relative_to(folder).as_posix()] = link.resolve(strict=True)
    return found


def test_groups_stay_together_in_the_layout_of_imagenet(frame, tmp_path):
    before = frame.copy()
    create_imagenet_style_symlinks(frame, 0.2, tmp_path / "out", "label", "path", "group", random_state=3)
    pd.testing.assert_frame_equal(frame, before)
    links = links_in(tmp_path / "out")
    assert sorted(links.values()) == sorted(map(Path, frame["path"]))
    n_valid = sum(name.startswith("valid/") for name in links)
    assert n_valid in (6, 7)
    group_of = dict(zip(frame["path"], frame["group"], strict=True))
    label_of = dict(zip(frame["path"], frame["label"], strict=True))
    groups: dict[str, set[str]] = {"train": set(), "valid": set()}
    for name, path in links.items():
        part, label, file = name.split("/")
        groups[part].add(group_of[str(path)])
        assert (label, file) == (label_of[str(path)], path.name)
    assert not groups["train"] & groups["valid"]
    assert os.access(next(iter(links.values())), os.R_OK)
    Image.open(tmp_path / "out" / next(iter(links))).load()


def test_without_a_group_column_files_are_counted(frame, tmp_path):
    create_imagenet_style_symlinks(frame, 5, tmp_path / "out", "label", "path")
    assert sum(name.startswith("valid/") for name in links_in(tmp_path / "out")) == 5


def test_the_same_seed_gives_the_same_links(frame, tmp_path):
    for name in ("one", "two"):
        create_imagenet_style_symlinks(frame, 0.5, tmp_path / name, "label", "path", random_state=1)
        frame = frame.sample(frac=1, random_state=0)
    assert links_in(tmp_path / "one") == links_in(tmp_path / "two")


def test_relative_paths_give_links_that_move_with_the_files(frame, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "photos").rename(tmp_path / "home" / "photos")
    monkeypatch.chdir(tmp_path / "home")
    frame["path"] = ["photos/" + Path(path).name for path in frame["path"]]
    create_imagenet_style_symlinks(frame, 0.2, "out", "label", "path", "group")
    assert len(links_in(Path("out"))) == 20
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    assert len(links_in(tmp_path / "elsewhere" / "out")) == 20


def test_files_with_one_name_and_label_are_all_there(photographs, tmp_path):
    paths = []
    for number in range(6):
        path = tmp_path / f"{number}" / "1.png"
        path.parent.mkdir()
        shutil.copyfile(photographs / "cats" / "chelsea.png", path)
        paths.append(path)
    frame = pd.DataFrame({"path": paths, "label": 7})
    create_imagenet_style_symlinks(frame, 2, tmp_path / "out", "label", "path")
    links = links_in(tmp_path / "out")
    assert sorted(links.values()) == paths
    assert all(name.split("/")[1] == "7" and name.endswith(".png") for name in links)


def test_every_label_has_a_folder_in_both_parts(frame, tmp_path):
    frame["label"] = [f"{number}" for number in range(20)]
    create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")
    for part in ("train", "valid"):
        assert len(list((tmp_path / "out" / part).iterdir())) == 20


def test_an_empty_folder_may_be_there(frame, tmp_path):
    (tmp_path / "out").mkdir()
    create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")
    assert len(links_in(tmp_path / "out")) == 20


def change(frame: pd.DataFrame, column: str, value: Any) -> None:
    frame[column] = frame[column].astype(object)
    frame.loc[3, column] = value


@pytest.mark.parametrize(
    ("column", "value", "error", "words"),
    [
        ("label", None, SplitError, "1 of 20 rows have nothing in the column 'label', the first is row 3"),
        ("label", float("nan"), SplitError, "nothing in the column 'label'"),
        ("label", "", SplitError, "nothing in the column 'label'"),
        ("label", "a/b", SplitError, "3.* has the label 'a/b', which holds a '/'"),
        ("label", "../../evil", SplitError, "begins with a '.', as hidden folders do"),
        ("label", ".hidden", SplitError, "begins with a '.'"),
        ("label", 0.5, SplitError, "holds 0.5, and labels and groups are names"),
        ("group", None, SplitError, "nothing in the column 'group'"),
        ("path", None, SplitError, "nothing in the column 'path'"),
        ("path", "/nowhere/1.png", FileNotFoundError, "there is no such file to link to: '/nowhere/1.png'"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_and_nothing_is_left(frame, tmp_path, column, value, error, words):
    change(frame, column, value)
    with pytest.raises(error, match=words):
        create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path", "group")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_file_that_is_there_twice_is_told(frame, tmp_path):
    frame = pd.concat([frame, frame.iloc[[4]]])
    with pytest.raises(SplitError, match=r"4.* with the label 'fake1' is in the rows 4 and 20: leave one out"):
        create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")


def test_a_column_that_is_not_there_is_told(frame, tmp_path):
    with pytest.raises(SplitError, match="has no column 'species'; there are: 'path', 'label', 'group'"):
        create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "species", "path")


@pytest.mark.parametrize("size", [0, 3, 4, -1, 0.0, 1.0, 1.5, True, "2", 0.99, None])
def test_a_valid_size_that_cannot_be_met_is_told(frame, tmp_path, size):
    with pytest.raises(SettingsError, match="valid_size is"):
        create_imagenet_style_symlinks(frame, size, tmp_path / "out", "label", "path", "group")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(frame, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(StrayDirectoryError, match="outdir must be empty"):
        create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_failure_half_way_leaves_nothing_and_the_next_call_works(frame, tmp_path, monkeypatch):
    made = []
    real = os.symlink

    def fail_at_the_tenth(*given: Any) -> None:
        made.append(given)
        if len(made) == 10:
            raise OSError(28, "no space is left")
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", fail_at_the_tenth)
        with pytest.raises(OSError, match="no space is left"):
            create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    create_imagenet_style_symlinks(frame, 1, tmp_path / "out", "label", "path")
    assert len(links_in(tmp_path / "out")) == 20
