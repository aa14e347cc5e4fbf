"""Any composition of the functions equals the list it stands for, to read and to assign to.

Each random composition is made twice: of sequences, over one set of lists, and of references, a plain list of objects
that know how to get and put one value, over a copy of those lists.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.sequences import (
    batch,
    case,
    collate,
    concatenate,
    cycle,
    gather,
    interleave,
    repeat,
    shuffle,
    smap,
    split,
    starmap,
    switch,
    take,
    unbatch,
    uniter,
)

PADDING = "padding"


@dataclass
class Reference:
    """One item of the list that a sequence stands for."""

    get: Callable[[], Any]
    put: Callable[[Any], None] | None = None
    """None where nothing can be assigned."""
    shape: Any = None
    """What a value that is assigned looks like: a list of the shapes of its parts, or None for one value."""


@dataclass
class Composition:
    view: Any
    references: list[Reference]
    words: str


def mark(value):
    return ("marked", value)


def refer_to(items: list[Any]) -> list[Reference]:
    return [
        Reference(partial(items.__getitem__, index), partial(items.__setitem__, index)) for index in range(len(items))
    ]


def group(parts: list[Reference], make: Callable[[Any], Any], n_padding: int = 0) -> Reference:
    """Return the reference to a list or tuple of items, which can be assigned to when each of them can."""

    def put(values: Any) -> None:
        for part, value in zip(parts, values, strict=False):
            assert part.put is not None
            part.put(value)

    can_put = all(part.put is not None for part in parts)
    shape = [part.shape for part in parts] + [None] * n_padding
    padding = [PADDING] * n_padding
    return Reference(lambda: make([*(part.get() for part in parts), *padding]), put if can_put else None, shape)


def fixed(reference: Reference, function: Callable[[Any], Any]) -> Reference:
    return Reference(lambda: function(reference.get()))


class Builder:
    """Draws compositions over lists that it keeps, and over copies of them."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.real: list[list[Any]] = []
        self.model: list[list[Any]] = []

    def build(self, depth: int) -> Composition:
        if depth == 0 or self.draw(st.integers(0, 7)) == 0:
            return self.leaf()
        operation: Callable[[Builder, int], Composition] = self.draw(st.sampled_from(OPERATIONS))
        return operation(self, depth - 1)

    def leaf(self) -> Composition:
        n_items = self.draw(st.integers(0, 7))
        number = len(self.real)
        self.real.append([f"{number}.{index}" for index in range(n_items)])
        self.model.append(list(self.real[-1]))
        return Composition(self.real[-1], refer_to(self.model[-1]), f"list{number} of {n_items}")

    def several(self, depth: int) -> list[Composition]:
        return [self.build(depth) for _ in range(self.draw(st.integers(0, 3)))]

    def pair(self, depth: int) -> tuple[Composition, Composition]:
        first, second = self.build(depth), self.build(depth)
        n_items = min(len(first.references), len(second.references))
        cut = [Composition(take(one.view, n_items), one.references[:n_items], one.words) for one in (first, second)]
        return cut[0], cut[1]

    def map(self, depth: int) -> Composition:
        base = self.build(depth)
        return Composition(smap(mark, base.view), [fixed(one, mark) for one in base.references], f"smap({base.words})")

    def map_of_two(self, depth: int) -> Composition:
        first, second = self.pair(depth)
        pairs = zip(first.references, second.references, strict=True)
        references = [fixed(group(list(pair), list), list) for pair in pairs]
        maker = self.draw(st.sampled_from([smap, lambda f, a, b: starmap(f, collate([a, b]))]))
        view = maker(lambda a, b: [a, b], first.view, second.view)
        return Composition(view, references, f"smap({first.words}, {second.words})")

    def slice(self, depth: int) -> Composition:
        base = self.build(depth)
        key = self.draw(st.slices(max(len(base.references), 1) + 2))
        view = concatenate([base.view])[key]
        return Composition(view, base.references[key], f"{base.words}[{key}]")

    def concatenate(self, depth: int) -> Composition:
        parts = self.several(depth)
        references = [one for part in parts for one in part.references]
        words = f"concatenate({', '.join(part.words for part in parts)})"
        return Composition(concatenate([part.view for part in parts]), references, words)

    def collate(self, depth: int) -> Composition:
        first, second = self.pair(depth)
        pairs = zip(first.references, second.references, strict=True)
        references = [group(list(pair), tuple) for pair in pairs]
        return Composition(collate([first.view, second.view]), references, f"collate({first.words}, {second.words})")

    def interleave(self, depth: int) -> Composition:
        parts = self.several(depth)
        n_rounds = max((len(part.references) for part in parts), default=0)
        references = [
            part.references[turn] for turn in range(n_rounds) for part in parts if turn < len(part.references)
        ]
        words = f"interleave({', '.join(part.words for part in parts)})"
        return Composition(interleave(*[part.view for part in parts]), references, words)

    def batch(self, depth: int) -> Composition:
        base = self.build(depth)
        size = self.draw(st.integers(1, 4))
        drops, pads = self.draw(st.booleans()), self.draw(st.booleans())
        groups = [base.references[start : start + size] for start in range(0, len(base.references), size)]
        if drops:
            groups = [one for one in groups if len(one) == size]
        references = [group(one, list, (size - len(one)) * pads) for one in groups]
        view = batch(base.view, size, drop_last=drops, pad=PADDING if pads else None)
        return Composition(view, references, f"batch({base.words}, {size}, {drops}, {pads})")

    def unbatch(self, depth: int) -> Composition:
        base = self.build(depth)
        size = self.draw(st.integers(1, 4))
        view = unbatch(smap(tuple, batch(base.view, size)), size)
        return Composition(view, [fixed(one, lambda value: value) for one in base.references], f"unbatch({base.words})")

    def split(self, depth: int) -> Composition:
        base = self.build(depth)
        n_items = len(base.references)
        cuts = sorted(self.draw(st.lists(st.integers(0, n_items), max_size=4)))
        pieces = split(base.view, cuts)
        assert len(pieces) == len(cuts) + 1
        return Composition(concatenate(pieces), base.references, f"split({base.words}, {cuts})")

    def gather(self, depth: int) -> Composition:
        base = self.build(depth)
        n_items = len(base.references)
        indexes = self.draw(st.lists(st.integers(-n_items, n_items - 1), max_size=8)) if n_items else []
        picked = smap(int, indexes) if self.draw(st.booleans()) else indexes
        references = [base.references[index] for index in indexes]
        return Composition(gather(base.view, picked), references, f"gather({base.words}, {indexes})")

    def shuffle(self, depth: int) -> Composition:
        base = self.build(depth)
        seed = self.draw(st.integers(0, 3))
        references = [base.references[index] for index in shuffle(range(len(base.references)), seed)]
        return Composition(shuffle(base.view, seed), references, f"shuffle({base.words}, {seed})")

    def cycle(self, depth: int) -> Composition:
        base = self.build(depth)
        limit = self.draw(st.integers(0, 12)) if base.references else 0
        references = (base.references * 12)[:limit]
        endless = bool(base.references) and self.draw(st.booleans())
        view = take(cycle(base.view), limit) if endless else cycle(base.view, limit)
        return Composition(view, references, f"cycle({base.words}, {limit})")

    def choose(self, depth: int) -> Composition:
        first, second = self.pair(depth)
        n_items = len(first.references)
        numbers = self.draw(st.lists(st.integers(0, 1), min_size=n_items, max_size=n_items))
        chosen = zip(numbers, second.references, first.references, strict=True)
        references = [a if number else b for number, a, b in chosen]
        maker = self.draw(st.sampled_from([case, lambda which, a, b: switch(which, b, a)]))
        view = maker(numbers, first.view, second.view)
        return Composition(view, references, f"case({numbers}, {first.words}, {second.words})")

    def with_endless(self, depth: int) -> Composition:
        base = self.build(depth)
        references = [group([one, Reference(lambda: 7)], tuple) for one in base.references]
        return Composition(collate([base.view, repeat(7)]), references, f"collate({base.words}, repeat)")

    def read_from_the_beginning(self, depth: int) -> Composition:
        base = self.build(depth)
        view = uniter(base.view, self.draw(st.integers(0, 3)))
        return Composition(view, [fixed(one, lambda value: value) for one in base.references], f"uniter({base.words})")


OPERATIONS = [
    Builder.map,
    Builder.map_of_two,
    Builder.slice,
    Builder.concatenate,
    Builder.collate,
    Builder.interleave,
    Builder.batch,
    Builder.unbatch,
    Builder.split,
    Builder.gather,
    Builder.shuffle,
    Builder.cycle,
    Builder.choose,
    Builder.with_endless,
    Builder.read_from_the_beginning,
]


def make_value(shape: Any, name: str) -> Any:
    """Return a new value that can be assigned where one of this shape is."""
    return name if shape is None else [make_value(part, f"{name}.{number}") for number, part in enumerate(shape)]


def values_of(composition: Composition) -> list[Any]:
    return [reference.get() for reference in composition.references]


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_composition_reads_as_the_list_it_stands_for(data):
    composition = Builder(data.draw).build(4)
    view, expected = concatenate([composition.view]), values_of(composition)
    n_items = len(expected)
    assert len(view) == n_items, composition.words
    assert list(view) == expected, composition.words
    assert list(reversed(view)) == expected[::-1], composition.words
    for index in data.draw(st.lists(st.integers(-n_items - 3, n_items + 2), max_size=6)):
        if -n_items <= index < n_items:
            assert composition.view[index] == expected[index], composition.words
        else:
            with pytest.raises(IndexError, match=r"no item|range"):
                composition.view[index]


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_slices_of_slices_of_a_composition_are_those_of_the_list(data):
    composition = Builder(data.draw).build(3)
    view, expected = composition.view, values_of(composition)
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(st.slices(len(expected) + 2) | st.builds(slice, EDGES, EDGES, STEPS))
        view, expected = view[key], expected[key]
        assert len(view) == len(expected), (composition.words, key)
        assert list(view) == expected, (composition.words, key)
        assert [view[index] for index in range(-len(expected), 0)] == expected, (composition.words, key)


EDGES = st.none() | st.integers(-20, 20)
STEPS = st.sampled_from([None, -5, -3, -2, -1, 1, 2, 3, 5])


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_assignment_through_a_composition_reaches_the_lists_it_is_made_of(data):
    builder = Builder(data.draw)
    composition = builder.build(3)
    n_items = len(composition.references)
    for number in range(data.draw(st.integers(1, 3)) if n_items else 0):
        index = data.draw(st.integers(-n_items, n_items - 1))
        reference = composition.references[index]
        value = make_value(reference.shape, f"new {number}")
        if reference.put is None:
            with pytest.raises(TypeError, match="cannot set item"):
                composition.view[index] = value
            return  # some parts of a pair may have been set
        reference.put(value)
        composition.view[index] = value
        assert builder.real == builder.model, composition.words
        assert list(concatenate([composition.view])) == values_of(composition), composition.words


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_assignment_to_slices_of_a_composition_is_that_of_its_items_in_turn(data):
    builder = Builder(data.draw)
    composition = builder.build(3)
    view = concatenate([composition.view])
    key = data.draw(st.builds(slice, EDGES, EDGES, STEPS))
    references = composition.references[key]
    if any(reference.put is None for reference in references):
        return
    values = [make_value(reference.shape, f"new {number}") for number, reference in enumerate(references)]
    for reference, value in zip(references, values, strict=True):
        assert reference.put is not None
        reference.put(value)
    view[key] = values
    assert builder.real == builder.model, composition.words


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_composition_can_be_copied_and_pickled(data):
    composition = Builder(data.draw).build(3)
    expected = values_of(composition)
    assert list(copy.copy(concatenate([composition.view]))) == expected
    try:
        pickled = pickle.dumps(composition.view)
    except (AttributeError, pickle.PicklingError) as error:
        assert "lambda" in str(error), composition.words  # noqa: PT017 - only some compositions have one
    else:
        assert list(pickle.loads(pickled)) == expected, composition.words
