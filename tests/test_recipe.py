"""Behaviour of tintype.recipe."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.recipe import Keep, Reason, Rebuild, Recipe, decide
from tintype.settings import TRIGGERS

mappings = st.dictionaries(st.text(), st.text(), max_size=4)
recipes = st.builds(
    Recipe,
    family=st.text(),
    version=st.text(),
    parameters=mappings,
    attributes=mappings,
    inputs=mappings,
    code=st.none() | mappings,
)

CODE = {"products.Thumbnails": "c0de", "products.trim": "aa"}
BASE = Recipe(
    "Thumbnails",
    "1",
    parameters={"max_side": "448", "quality": "90"},
    attributes={"label": "'cat'"},
    inputs={"raw/Photos": "aa"},
    code=CODE,
)


@pytest.mark.parametrize(
    ("wanted", "reasons"),
    [
        (replace(BASE, family="Cutouts"), ("made by Thumbnails, asked for by Cutouts",)),
        (replace(BASE, version="2"), ("version changed from 1 to 2",)),
        (replace(BASE, parameters={"max_side": "512", "quality": "90"}), ("max_side changed from 448 to 512",)),
        (replace(BASE, parameters={"max_side": "448"}), ("quality is gone, it was 90",)),
        (replace(BASE, parameters={**BASE.parameters, "edge": "3"}), ("edge is new, 3",)),
        (replace(BASE, attributes={"label": "'dog'"}), ("label changed from 'cat' to 'dog'",)),
        (replace(BASE, attributes={}), ("label is gone, it was 'cat'",)),
        (replace(BASE, inputs={"raw/Photos": "bb"}), ("input raw/Photos changed",)),
        (replace(BASE, inputs={}), ("input raw/Photos is gone",)),
        (replace(BASE, inputs={**BASE.inputs, "raw/Masks": "cc"}), ("input raw/Masks is new",)),
        (replace(BASE, code={**CODE, "products.trim": "bb"}), ("code of products.trim changed",)),
        (replace(BASE, code={"products.Thumbnails": "c0de"}), ("code of products.trim is gone",)),
        (replace(BASE, code={**CODE, "products.LIMIT": "cc"}), ("code of products.LIMIT is new",)),
        (
            replace(BASE, version="2", parameters={"max_side": "512", "quality": "80"}, inputs={}),
            (
                "version changed from 1 to 2",
                "max_side changed from 448 to 512",
                "quality changed from 90 to 80",
                "input raw/Photos is gone",
            ),
        ),
    ],
    ids=lambda value: "; ".join(value) if isinstance(value, tuple) else "",
)
def test_whatever_differs_is_a_reason_to_rebuild(wanted, reasons):
    decision = decide(BASE, wanted)
    assert isinstance(decision, Rebuild)
    assert tuple(str(reason) for reason in decision.reasons) == reasons
    assert str(decision) == "; ".join(reasons)


def test_what_was_never_built_is_built():
    assert decide(None, BASE) == Rebuild((Reason("missing", "never built"),))


@pytest.mark.parametrize(("before", "after"), [(None, BASE.code), (BASE.code, None), (None, None)])
def test_code_that_takes_no_part_on_either_side_is_no_reason(before, after):
    assert decide(replace(BASE, code=before), replace(BASE, code=after)) == Keep()


def test_a_long_value_is_shortened_in_the_reason():
    decision = decide(
        replace(BASE, parameters={"query": "x" * 1000}), replace(BASE, parameters={"query": "y" * 60, "z": "z" * 61})
    )
    assert str(decision) == f"query changed from {'x' * 59}… to {'y' * 60}; z is new, {'z' * 59}…"


@given(recipes)
def test_an_equal_recipe_keeps_the_directory(recipe):
    assert decide(recipe, replace(recipe, parameters=dict(reversed(recipe.parameters.items())))) == Keep()


@given(recipes, recipes)
def test_a_decision_keeps_exactly_what_is_equal_and_touches_nothing(published, wanted):
    before = published.to_json(), wanted.to_json()
    published, wanted = replace(published, code=None), replace(wanted, code=None)
    assert (decide(published, wanted) == Keep()) is (published == wanted)
    assert (
        replace(published, code=before[0]["code"]).to_json(),
        replace(wanted, code=before[1]["code"]).to_json(),
    ) == (before)


@given(recipes)
def test_json_gives_the_recipe_back(recipe):
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize("name", ["family", "version", "parameters", "attributes", "inputs", "code"])
def test_json_without_a_part_is_refused(name):
    values = BASE.to_json()
    del values[name]
    with pytest.raises(KeyError, match=name):
        Recipe.from_json(values)


@pytest.mark.parametrize("name", ["parameters", "attributes", "inputs"])
@pytest.mark.parametrize("value", [None, 3, "text", [1, 2]])
def test_json_with_a_part_that_is_no_mapping_is_refused(name, value):
    with pytest.raises((TypeError, ValueError), match=r"iterable|sequence|convert|dictionary"):
        Recipe.from_json({**BASE.to_json(), name: value})


def test_the_json_is_the_callers_own_to_change():
    values = BASE.to_json()
    values["parameters"]["max_side"] = "1"
    assert BASE.parameters["max_side"] == "448"


@pytest.mark.parametrize(
    ("wanted", "trigger"),
    [
        (replace(BASE, version="2"), "version"),
        (replace(BASE, parameters={}), "parameters"),
        (replace(BASE, attributes={}), "parameters"),
        (replace(BASE, inputs={}), "inputs"),
        (replace(BASE, code={}), "code"),
    ],
)
def test_each_kind_of_difference_can_be_switched_off(wanted, trigger):
    assert decide(BASE, wanted, triggers=set(TRIGGERS) - {trigger}) == Keep()
    decision = decide(BASE, wanted, triggers={trigger})
    assert isinstance(decision, Rebuild)
    assert {reason.trigger for reason in decision.reasons} == {trigger}
    assert decision.keeps_unchanged is (trigger == "inputs")


def test_another_family_is_a_reason_whatever_is_switched_off():
    assert str(decide(BASE, replace(BASE, family="Cutouts"), triggers=())) == "made by Thumbnails, asked for by Cutouts"


def test_a_reason_has_the_old_and_the_new_value():
    decision = decide(BASE, replace(BASE, parameters={**BASE.parameters, "max_side": "512"}))
    assert isinstance(decision, Rebuild)
    [reason] = decision.reasons
    assert (reason.name, reason.before, reason.after) == ("max_side", "448", "512")
