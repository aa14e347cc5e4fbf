"""Behaviour of the ways to split: sizes, hashes, subsets, strata and names. Arrays and lists, no files."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import SettingsError
from tintype.processed.splits.methods import assign_exact, assign_stable, hash_names
from tintype.processed.splits.names import FileNames, find_label_fault, name_file
from tintype.processed.splits.sizes import check_parts, count_sizes, fractions_of
from tintype.processed.splits.stratified import GroupShares, assign_rows, share_out
from tintype.processed.splits.subset import choose_subset

NAMES = st.lists(st.text(max_size=8), min_size=1, max_size=60, unique=True)
SIZES = st.lists(st.integers(1, 12), min_size=2, max_size=9)

# Sizes


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "parts is {}: give the name and the size of each"),
        ("train", "parts is 'train'"),
        ({"train": 0.8, "valid": 0.1}, "add up to 0.9: make that 1, or give one part None"),
        ({"train": 0.8, "valid": 0.3}, "add up to 1.1"),
        ({"train": None, "valid": None}, "train and valid are both to get what is left"),
        ({"train": None, "valid": 1.0}, "leave nothing to another part"),
        ({"train": 0.8, "valid": 20}, "fractions and counts, which add up by chance only"),
        ({"a/b": 1.0}, "'a/b' cannot be a part's name"),
        ({"..": 1.0}, r"'\.\.' cannot be a part's name"),
        ({"": 1.0}, "'' cannot be a part's name"),
        ({"_stamp.json": 1.0}, "'_stamp.json' cannot be a part's name"),
        ({3: 1.0}, "3 cannot be a part's name"),
        ({"train": None, "valid": 0}, "the size of valid is 0"),
        ({"train": None, "valid": -1}, "the size of valid is -1"),
        ({"train": None, "valid": 0.0}, "the size of valid is 0.0"),
        ({"train": None, "valid": 1.5}, "the size of valid is 1.5"),
        ({"train": None, "valid": True}, "the size of valid is True"),
        ({"train": None, "valid": "2"}, "the size of valid is '2'"),
        ({"train": None, "valid": float("nan")}, "the size of valid is nan"),
    ],
)
def test_parts_that_cannot_be_are_told(parts, words):
    with pytest.raises(SettingsError, match=words):
        check_parts(parts)


def test_the_order_in_which_parts_are_written_decides_nothing():
    assert list(check_parts({"valid": 0.2, "train": 0.8})) == ["train", "valid"]


def test_numbers_of_numpy_are_sizes():
    parts: dict[str, Any] = {"train": None, "valid": np.int64(3), "test": np.float64(0.5)}
    assert check_parts(parts) == {
        "test": 0.5, "train": None, "valid": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "n", "counts"),
    [
        ({"train": 0.8, "valid": 0.2}, 10, [8, 2]),
        ({"train": 0.8, "valid": 0.2}, 2, [1, 1]),
        ({"a": 0.7, "b": 0.2, "c": 0.1}, 10, [7, 2, 1]),
        ({"train": 6, "valid": 2}, 8, [6, 2]),
        ({"train": None, "valid": 2}, 8, [6, 2]),
        ({"test": 0.25, "train": None, "valid": 2}, 8, [2, 4, 2]),
        ({"all": 1.0}, 1, [1]),
    ],
)
def test_sizes_become_counts_that_add_up(parts, n, counts):
    assert count_sizes(check_parts(parts), n) == counts


@pytest.mark.parametrize(
    ("parts", "n", "words"),
    [
        ({"train": 6, "valid": 2}, 9, "there are 9 files, and the parts are to have 8"),
        ({"train": 6, "valid": 2}, 7, "there are 7 files, and the parts are to have 8"),
        ({"train": None, "valid": 9}, 8, "there are 8 files, and the parts are to have 9"),
        ({"train": None, "valid": 8}, 8, "none is left for train"),
        ({"train": 0.5, "valid": 0.5}, 1, "there are 1 files for 2 parts"),
        ({"train": 1.0}, 0, "there are 0 files for 1 parts"),
    ],
)
def test_sizes_that_cannot_be_met_are_told(parts, n, words):
    with pytest.raises(SettingsError, match=words):
        count_sizes(check_parts(parts), n)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(5, 500))
def test_fractions_become_counts_of_at_least_one_within_one_of_their_share(weights, n):
    parts = {f"{place}": weight / sum(weights) for place, weight in enumerate(weights)}
    counts = count_sizes(check_parts(parts), n)
    assert sum(counts) == n
    assert min(counts) >= 1
    exact = [n * size for size in parts.values()]
    if min(exact) >= 1:
        assert all(abs(count - share) < 1 + 1e-6 for count, share in zip(counts, exact, strict=True))


# Stable


def test_the_split_of_these_names_is_the_same_for_ever():
    """Frozen: on every version of Python, and in every later version of tintype."""
    names = [f"patient {number}" for number in range(20)] + ["Zoë", "猫", ""]
    parts = assign_stable(hash_names(names, seed=0), [0.6, 0.2, 0.2])
    assert "".join(map(str, parts.tolist())) == FROZEN_STABLE
    sizes = np.arange(1, len(names) + 1)
    exact = assign_exact(hash_names(names, seed=0), sizes, [56, 56, 164])
    assert "".join(map(str, exact.tolist())) == FROZEN_EXACT


FROZEN_STABLE = "00222001200002100000022"
FROZEN_EXACT = "22222222212122210100222"


def test_the_hash_of_a_name_does_not_depend_on_the_process():
    script = "from tintype.processed.splits.methods import hash_names; print(hash_names(['a', 'b'], 7).tolist())"
    said = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{hash_names(['a', 'b'], 7).tolist()}\n"}


@given(NAMES, NAMES, st.integers())
def test_more_names_move_no_other(names, more, seed):
    fractions = [0.5, 0.3, 0.2]
    before = dict(zip(names, assign_stable(hash_names(names, seed), fractions).tolist(), strict=True))
    everything = list(dict.fromkeys([*more, *names]))
    after = dict(zip(everything, assign_stable(hash_names(everything, seed), fractions).tolist(), strict=True))
    assert {name: after[name] for name in names} == before


def test_a_larger_valid_takes_from_train_only():
    hashes = hash_names(map(str, range(1000)), 0)
    smaller, larger = (assign_stable(hashes, [1 - size, size]) for size in (0.2, 0.3))
    assert set(zip(smaller.tolist(), larger.tolist(), strict=True)) == {(0, 0), (0, 1), (1, 1)}


def test_another_seed_gives_another_split_of_about_the_sizes():
    splits = [assign_stable(hash_names(map(str, range(20_000)), seed), [0.8, 0.2]) for seed in (1, 2, -1)]
    assert all(abs(split.mean() - 0.2) < 0.015 for split in splits)
    assert abs((splits[0] & splits[1]).mean() - 0.04) < 0.01
    assert abs((splits[0] & splits[2]).mean() - 0.04) < 0.01


def test_what_is_left_is_a_fraction():
    assert fractions_of(check_parts({"a": None, "b": 0.25})) == [0.75, 0.25]


# Exact


def nearest(sizes: list[int], targets: list[int]) -> int:
    """Return the least sum of misses of any assignment without an empty part, by trying all."""
    best = 10**9
    for choice in product(range(len(targets)), repeat=len(sizes)):
        if len(set(choice)) == len(targets):
            sums = np.bincount(choice, sizes, len(targets))
            best = min(best, int(np.abs(sums - targets).sum()))
    return best


@given(SIZES, st.floats(0, 1), st.integers())
def test_two_parts_come_as_near_to_their_sizes_as_whole_groups_allow(sizes, share, seed):
    total = sum(sizes)
    target = min(max(round(total * share), 1), total - 1)
    hashes = hash_names(map(str, range(len(sizes))), seed)
    parts = assign_exact(hashes, np.array(sizes), [total - target, target])
    misses = np.abs(np.bincount(parts, sizes, 2) - [total - target, target]).sum()
    assert set(parts.tolist()) == {0, 1}
    assert misses == nearest(sizes, [total - target, target])


@given(st.lists(st.integers(1, 9), min_size=3, max_size=7), st.integers(0, 99), st.integers())
def test_of_three_parts_no_two_can_come_nearer(sizes, share, seed):
    targets = count_sizes(check_parts({"a": 0.2, "b": 0.1 + share / 250, "c": None}), sum(sizes))
    hashes = hash_names(map(str, range(len(sizes))), seed)
    parts = assign_exact(hashes, np.array(sizes), targets)
    assert set(parts.tolist()) == {0, 1, 2}
    sums = np.bincount(parts, sizes, 3)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        both = np.flatnonzero(np.isin(parts, (one, other)))
        pair = [targets[one], targets[other]]
        assert np.abs(sums[[one, other]] - pair).sum() == nearest(np.array(sizes)[both].tolist(), pair)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30), st.integers(), st.randoms())
def test_the_order_of_the_groups_decides_nothing(sizes, seed, random):
    names = [f"group {number}" for number in range(len(sizes))]
    order = list(range(len(sizes)))
    random.shuffle(order)
    targets = count_sizes(check_parts({"train": 0.7, "valid": 0.3}), sum(sizes))
    parts = assign_exact(hash_names(names, seed), np.array(sizes), targets)
    shuffled = assign_exact(hash_names([names[place] for place in order], seed), np.array(sizes)[order], targets)
    assert shuffled.tolist() == parts[order].tolist()


def test_many_groups_hit_the_size_exactly_and_large_ones_are_in_both_parts():
    sizes = np.random.default_rng(0).pareto(2, 5000).astype(np.int64) * 3 + 1
    targets = count_sizes(check_parts({"train": 0.8, "valid": 0.2}), int(sizes.sum()))
    means = []
    for seed in range(5):
        parts = assign_exact(hash_names(map(str, range(5000)), seed), sizes, targets)
        assert np.bincount(parts, sizes).tolist() == targets
        means.append(sizes[parts == 1].mean() / sizes.mean())
    assert 0.8 < np.mean(means) < 1.2


def test_one_group_larger_than_all_others_goes_where_it_misses_least():
    parts = assign_exact(hash_names(["big", "a", "b"], 0), np.array([90, 5, 5]), [50, 50])
    assert parts[1] == parts[2] != parts[0]


@given(st.lists(st.integers(1, 50), min_size=2, max_size=200), st.integers(1, 3000))
def test_a_subset_is_neither_empty_nor_all_and_near(sizes, target):
    array = np.array(sizes)
    chosen = choose_subset(array, target)
    assert 0 < chosen.sum() < len(sizes)
    reachable = {0}
    for size in sizes:
        reachable |= {total + size for total in reachable}
    best = min(abs(total - target) for total in reachable - {0, sum(sizes)})
    assert abs(int(array[chosen].sum()) - target) == best


# Strata


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_every_label_has_its_share_rounded_down_or_up(counts, share):
    total = sum(counts)
    if total < 2:
        return
    target = min(max(round(total * share), 1), total - 1)
    shares = share_out(np.array(counts), [total - target, target])
    assert shares.sum(axis=1).tolist() == counts
    assert shares.sum(axis=0).tolist() == [total - target, target]
    exact = np.array(counts) * target / total
    assert (np.abs(shares[:, 1] - exact) < 1 + 1e-9).all()


@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.integers())
def test_rows_are_shared_out_by_label(labels, seed):
    targets = count_sizes(check_parts({"a": 0.5, "b": 0.25, "c": 0.25}), len(labels))
    parts = assign_rows(hash_names(map(str, range(len(labels))), seed), np.array(labels), targets)
    assert np.bincount(parts, minlength=3).tolist() == targets
    shares = share_out(np.bincount(labels), targets)
    for label in set(labels):
        assert np.bincount(parts[np.array(labels) == label], minlength=3).tolist() == shares[label].tolist()


def test_groups_of_several_labels_leave_each_part_about_its_share_of_each():
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(400), random.integers(1, 12, 400))
    labels = np.where(random.random(len(groups)) < 0.1, 0, random.integers(1, 4, len(groups)))
    pairs, numbers = np.unique(groups * 4 + labels, return_counts=True)
    targets = count_sizes(check_parts({"train": 0.7, "test": 0.1, "valid": 0.2}), len(groups))
    shares = GroupShares((pairs // 4, pairs % 4, numbers), n_groups=400, n_labels=4, targets=targets)
    parts = shares.assign(hash_names(map(str, range(400)), 0))
    for part, target in enumerate(targets):
        here = parts[groups] == part
        assert abs(here.sum() - target) <= 4
        wanted = np.bincount(labels) * target / len(groups)
        assert (np.abs(np.bincount(labels[here], minlength=4) - wanted) <= 4).all()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=3, max_size=12), st.integers())
def test_no_part_is_empty_with_strata_and_groups(groups, seed):
    labels, numbers = np.array(groups).T
    targets = count_sizes(check_parts({"a": 0.98, "b": 0.01, "c": 0.01}), max(int(numbers.sum()), 3))
    shares = GroupShares((np.arange(len(groups)), labels, numbers), n_groups=len(groups), n_labels=3, targets=targets)
    assert set(shares.assign(hash_names(map(str, range(len(groups))), seed)).tolist()) == {0, 1, 2}


# Names

PATHS = st.lists(
    st.tuples(st.sampled_from(["cat", "dog"]), st.from_regex(r"[ab]{1,2}/[12]{1,2}(\.png)?", fullmatch=True)),
    unique=True,
    max_size=40,
)


def names_of(files: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    names = FileNames()
    labels, paths = [label for label, _ in files], [path for _, path in files]
    names.add(labels, paths)
    digits = names.count_digits(lambda: [(0, labels, paths)]).tolist()
    return {file: name_file(path, n) for file, path, n in zip(files, paths, digits, strict=True)}


@given(PATHS, st.randoms())
def test_no_two_files_of_a_label_share_a_name_whatever_their_order(files, random):
    names = names_of(files)
    assert len({(label, name) for (label, _), name in names.items()}) == len(files)
    shuffled = list(files)
    random.shuffle(shuffled)
    assert names_of(shuffled) == names


@given(PATHS, PATHS)
def test_more_files_rename_only_those_that_had_a_name_for_themselves(files, more):
    before, after = names_of(files), names_of(list(dict.fromkeys([*files, *more])))
    for file, name in before.items():
        assert after[file] == name or name == file[1].rpartition("/")[2]


def test_a_file_that_has_the_name_another_would_get_is_told_apart():
    given = name_file("a/1.png", 8)
    names = names_of([("cat", "a/1.png"), ("cat", "b/1.png"), ("cat", f"c/{given}")])
    assert len(set(names.values())) == 3


def test_a_long_name_stays_a_name():
    name = name_file(f"a/{'ü' * 125}.jpeg", 8)
    assert len(name.encode()) <= 255
    assert name.startswith("ü" * 100)
    assert name.endswith(".jpeg")


@pytest.mark.parametrize(
    "label", ["", " ", ".", "..", ".hidden", "a/b", "../../evil", "/etc", "a\0b", "a\nb", "ü" * 128]
)
def test_a_label_that_cannot_be_a_folder_is_found(label):
    assert find_label_fault(label) is not None


@pytest.mark.parametrize("label", ["cat", "black cat", "猫", "a.b", "-", "CON", "ü" * 127])
def test_other_labels_are_taken_as_they_are(label):
    assert find_label_fault(label) is None
