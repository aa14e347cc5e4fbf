"""Behaviour of tintype.tasks.Stage: its directory's name, its recipe, and when it is built."""

from __future__ import annotations

import os
import pickle
from datetime import date
from enum import Enum
from pathlib import Path

import luigi
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from luigi.configuration import get_config
from luigi.util import requires

from tintype.errors import DirectoryConflictError, ManifestError, SettingsError, TintypeError
from tintype.recipe import Keep
from tintype.targets.directory import DirectoryTarget
from tintype.tasks import Stage
from tintype.tasks.graph import upstream_first
from tintype.tasks.naming import directory_name

BUILT: list[str] = []
"""Family of each stage of this module that was built, in order."""


@pytest.fixture(autouse=True)
def _nothing_built_and_no_fsync(_clean_luigi: None) -> None:
    BUILT.clear()
    get_config().set("tintype", "durable", "false")


def build(*tasks: luigi.Task) -> list[str]:
    """Build what is not complete, as Luigi would, but let errors through; return the families that were built."""
    BUILT.clear()
    for task in tasks:
        for above in upstream_first(task):
            if not above.complete():
                above.run()
    return list(BUILT)


class TextStage(Stage):
    """Writes one file, ``text.txt``."""

    layer = "interim"

    def build(self, staging):
        BUILT.append(self.get_task_family())
        (staging.files / "text.txt").write_text(self.text_of_file())
        staging.add("text.txt")

    def text_of_file(self) -> str:
        return ", ".join(Path(target.path, "text.txt").read_text() for target in luigi.task.flatten(self.input()))


class Words(TextStage):
    layer = "raw"
    words: str = luigi.Parameter(default="hello")
    comment: str = luigi.Parameter(default="", significant=False)

    def text_of_file(self):
        return self.words.lower()


@requires(Words)
class Shouts(TextStage):
    def text_of_file(self):
        return super().text_of_file().upper()


@requires(Shouts)
class Lengths(TextStage):
    layer = "processed"

    def text_of_file(self):
        return str(len(super().text_of_file()))


# The name of the directory


class Many(TextStage):
    text: str = luigi.Parameter(default="a")
    number: int = luigi.IntParameter(default=1)
    day: date = luigi.DateParameter(default=date(2024, 1, 2))
    size: tuple[int, ...] | None = luigi.OptionalTupleParameter(default=None)
    tags: tuple[str, ...] = luigi.ListParameter(default=("x",))
    flag: bool = luigi.BoolParameter(default=False)
    note: str = luigi.Parameter(default="", significant=False)


class Needed(TextStage):
    text: str = luigi.Parameter()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "Many"),
        ({"text": "b"}, "Many-text=b"),
        ({"text": ""}, "Many-text="),
        ({"text": "b", "number": 2, "flag": True}, "Many-flag=True-number=2-text=b"),
        ({"day": date(2024, 1, 3)}, "Many-day=2024-01-03"),
        ({"size": (224, 224)}, "Many-size=[224, 224]"),
        ({"tags": ("x",)}, "Many"),
        ({"note": "insignificant"}, "Many"),
        ({"text": "a/b"}, "Many-text=a%2Fb"),
        ({"text": ".."}, "Many-text=.."),
        ({"text": "x-number=2"}, "Many-text=x-number%3D2"),
        ({"text": "50%2F"}, "Many-text=50%252F"),
        ({"text": "two\nlines"}, "Many-text=two%0Alines"),
        ({"text": "Größe"}, "Many-text=Gr%C3%B6%C3%9Fe"),
        ({"text": b"caf\xe9".decode("utf-8", "surrogateescape")}, "Many-text=caf%ED%B3%A9"),
    ],
)
def test_directory_is_named_by_family_and_by_the_parameters_that_differ_from_their_defaults(values, name):
    assert Many(**values).output().path == f"data/interim/{name}"


def test_a_parameter_without_a_default_is_always_in_the_name():
    assert Needed(text="a").output().path == "data/interim/Needed-text=a"


def test_base_dir_comes_before_the_name_and_is_not_in_it(tmp_path):
    assert Many(base_dir=str(tmp_path), number=2).output().path == f"{tmp_path}/interim/Many-number=2"


def test_a_long_value_is_hashed_and_the_name_stays_below_the_limit_of_file_systems():
    short, long = Many(text="x" * 48), Many(text="x" * 49)
    assert short.output().folder.name.endswith("x" * 48)
    assert "x" not in long.output().folder.name.removeprefix("Many-text=")
    everything = Many(text="ü" * 300, number=10**40, tags=tuple("y" * 300), size=(10**20, 10**20))
    assert len(os.fsencode(f".{everything.output().folder.name}.trash-{'0' * 32}")) <= 255


def test_a_hash_is_never_taken_for_a_value():
    long = Many(text="x" * 1000).output().folder.name
    assert Many(text=long.removeprefix("Many-text=")).output().folder.name != long


def test_long_families_that_begin_alike_have_different_names():
    family = "Family" * 50
    assert directory_name(f"{family}A", {}) != directory_name(f"{family}B", {})


texts = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("-=%#/.ab01"))
values_of_parameters = st.dictionaries(st.sampled_from(["a", "b", "a_b", "parameters"]), texts, max_size=3)


@given(values_of_parameters, values_of_parameters)
@example({"a": "1-b=2"}, {"a": "1", "b": "2"})
@example({"a": ""}, {})
def test_different_values_never_have_one_name(one, other):
    name = directory_name("Family", one)
    assert (name == directory_name("Family", other)) == (one == other)
    assert "/" not in name
    assert "\0" not in name
    assert len(os.fsencode(name)) <= 180


@given(st.text(), st.integers(), st.lists(st.text()), st.booleans())
def test_different_tasks_never_share_a_directory(text, number, tags, flag):
    task = Many(text=text, number=number, tags=tags, flag=flag)
    default = Many()
    assert (task.output() == default.output()) == (task.param_kwargs == default.param_kwargs)


def test_a_default_from_the_configuration_stands_in_the_name():
    get_config().set("Many", "number", "7")
    assert Many().output().folder.name == "Many-number=7"
    assert Many(number=1).output().folder.name == "Many"


def test_asking_for_the_directory_makes_nothing(tmp_path):
    task = Lengths(base_dir=str(tmp_path / "data"))
    assert not task.output().exists()
    assert not task.complete()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("layer", ["", "raw/photos"])
def test_a_stage_without_a_layer_says_how_to_give_it_one(monkeypatch, layer):
    monkeypatch.setattr(Words, "layer", layer)
    with pytest.raises(SettingsError, match=rf"Words.layer is '{layer}': set it to 'raw', 'interim' or 'processed'"):
        Words().complete()


# The recipe


class Colour(Enum):
    RED = 1


class Mixin:
    mixed_in = "m"


class WithAttributes(Mixin, TextStage):
    label = "cat"
    number = 3
    pair = ("a", 2)
    table = {"b": 1, "a": [None]}
    colour = Colour.RED
    kind = int
    folder = Path("a/b")
    priority = 10
    resources = {"cpu": 1}
    retry_count = 3
    _private = "no"

    def method(self):
        """Not plain."""


class Derived(WithAttributes):
    number = 4


def test_recipe_holds_version_and_significant_parameters(monkeypatch, tmp_path):
    monkeypatch.setattr(Words, "version", "7")
    recipe = Words(base_dir=str(tmp_path), words="Hi", comment="no matter", n_jobs=3).recipe()
    assert (recipe.family, recipe.version) == ("Words", "7")
    assert recipe.parameters == {"words": "Hi"}
    assert str(tmp_path) not in str(recipe)


def test_plain_class_attributes_are_in_the_recipe_with_those_of_bases_and_mixins():
    expected = {
        "label": '"cat"',
        "number": "4",
        "pair": '["a", 2]',
        "table": '{"a": [null], "b": 1}',
        "colour": '"Colour.RED"',
        "kind": '"int"',
        "folder": '"a/b"',
        "mixed_in": '"m"',
    }
    attributes = Derived().recipe().attributes
    assert {name: attributes[name] for name in expected} == expected


@pytest.mark.parametrize("name", ["priority", "resources", "retry_count", "_private", "method", "version", "layer"])
def test_what_only_says_how_to_run_is_not_in_the_recipe(name):
    assert name not in Derived().recipe().attributes


def test_what_is_built_and_where_is_not_in_the_recipe_even_as_a_class_attribute():
    class Fixed(Words):
        base_dir = "elsewhere"
        n_jobs = 8

    assert Fixed().output().path == "elsewhere/raw/Fixed"
    assert Fixed().recipe().attributes == Words().recipe().attributes


def test_a_method_hides_the_plain_attribute_of_a_base():
    class Hiding(WithAttributes):
        def label(self):  # type: ignore[override]
            return "dog"

    assert "label" not in Hiding().recipe().attributes


def test_more_names_can_be_left_out_of_the_recipe():
    class Quiet(Words):
        note = "no matter"
        not_in_recipe = Words.not_in_recipe | {"note", "words"}

    assert Quiet(words="x").recipe().parameters == {}
    assert "note" not in Quiet().recipe().attributes


def test_what_a_class_leaves_out_of_the_recipe_adds_to_what_its_bases_leave_out():
    class Quiet(Words):
        note = "no matter"
        not_in_recipe = frozenset({"note"})

    assert Quiet().recipe().attributes == {}


def test_inputs_are_named_by_their_place_below_the_base_directory(tmp_path):
    task = Shouts(base_dir=str(tmp_path))
    assert task.recipe().inputs == {"raw/Words": "absent"}
    build(task)
    stamp = Words(base_dir=str(tmp_path)).output().stamp()
    assert stamp is not None
    assert task.recipe().inputs == {"raw/Words": stamp.digest}


# What is built, and when


def test_every_stage_is_built_once(tmp_path):
    task = Lengths(base_dir=str(tmp_path))
    assert build(task) == ["Words", "Shouts", "Lengths"]
    assert task.complete()
    assert (tmp_path / "processed/Lengths/text.txt").read_text() == "5"
    assert build(task) == []


def test_luigi_builds_it_and_the_second_time_nothing(tmp_path):
    for families in (["Words", "Shouts", "Lengths"], []):
        BUILT.clear()
        assert luigi.build([Lengths(base_dir=str(tmp_path))], local_scheduler=True)
        assert families == BUILT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "2"}, "version changed from 1 to 2"),
        ({"extra": "new"}, 'extra is new, "new"'),
    ],
)
def test_a_changed_stage_is_built_again_and_says_why(tmp_path, monkeypatch, change, reason):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    for name, value in change.items():
        monkeypatch.setattr(Shouts, name, value, raising=False)
    assert str(Shouts(base_dir=str(tmp_path)).decide()) == reason
    assert not task.complete()
    # The text is the same as before, so what is below stays.
    assert build(task) == ["Shouts"]


def test_what_comes_out_different_has_everything_below_built_again(tmp_path, monkeypatch):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    monkeypatch.setattr(Words, "version", "2")
    monkeypatch.setattr(Words, "text_of_file", lambda self: "good evening")
    assert build(task) == ["Words", "Shouts", "Lengths"]
    assert (tmp_path / "processed/Lengths/text.txt").read_text() == "12"


def test_what_comes_out_as_before_leaves_everything_below_alone(tmp_path, monkeypatch):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    before = task.output().stamp()
    monkeypatch.setattr(Words, "version", "2")
    assert not task.complete()
    assert luigi.build([task], local_scheduler=True)
    assert BUILT == ["Words", "Shouts", "Lengths", "Words"]
    assert task.complete()
    assert task.output().stamp() == before


def test_a_run_that_has_nothing_to_do_touches_nothing(tmp_path):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    before = task.output().stamp()
    BUILT.clear()
    task.run()
    assert not BUILT
    assert task.output().stamp() == before
    assert [path.name for path in (tmp_path / "processed").iterdir()] == ["Lengths"]


def test_a_missing_stage_above_makes_everything_below_incomplete(tmp_path):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    Words(base_dir=str(tmp_path)).output().remove()
    assert task.output().exists()
    assert not task.complete()
    assert build(task) == ["Words"]


def test_a_stale_stage_in_the_middle_is_found(tmp_path, monkeypatch):
    task = Lengths(base_dir=str(tmp_path))
    build(task)
    monkeypatch.setattr(Shouts, "version", "2")
    monkeypatch.setattr(Shouts, "text_of_file", lambda self: "OH")
    assert Words(base_dir=str(tmp_path)).complete()
    assert not task.complete()
    assert build(task) == ["Shouts", "Lengths"]


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_moved_dataset_is_complete_where_it_is_now(tmp_path, monkeypatch, is_relative):
    monkeypatch.chdir(tmp_path)
    root = Path() if is_relative else tmp_path
    build(Lengths(base_dir=str(root / "data")))
    stamp = Lengths(base_dir=str(root / "data")).output().stamp()
    (tmp_path / "disk").mkdir()
    os.rename(tmp_path / "data", tmp_path / "disk" / "moved")
    moved = Lengths(base_dir=str(root / "disk" / "moved"))
    assert moved.complete()
    assert build(moved) == []
    assert moved.output().stamp() == stamp
    assert build(Lengths(base_dir=str(root / "data"))) == ["Words", "Shouts", "Lengths"]


def test_other_values_are_another_directory_and_leave_the_first_alone(tmp_path):
    build(Words(base_dir=str(tmp_path)))
    assert build(Words(base_dir=str(tmp_path), words="Bye")) == ["Words"]
    assert build(Words(base_dir=str(tmp_path))) == []
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["Words", "Words-words=Bye"]


def test_an_insignificant_parameter_changes_nothing(tmp_path):
    build(Words(base_dir=str(tmp_path), comment="one"))
    assert Words(base_dir=str(tmp_path), comment="two").complete()


# Graphs


class Link(TextStage):
    """One of a chain, or of two wide rows of diamonds."""

    number: int = luigi.IntParameter()
    width: int = luigi.IntParameter(default=1)
    place: int = luigi.IntParameter(default=0)

    def requires(self):
        if self.number:
            for place in range(self.width):
                yield self.clone(number=self.number - 1, place=place)

    def text_of_file(self):
        return str(self.number)


@pytest.fixture
def stamps_read(monkeypatch) -> list[str]:
    read: list[str] = []
    original = DirectoryTarget.stamp

    def stamp(target):
        read.append(target.path)
        return original(target)

    monkeypatch.setattr(DirectoryTarget, "stamp", stamp)
    return read


def test_complete_reads_as_many_stamps_as_a_chain_is_long(tmp_path, stamps_read):
    counts = {}
    build(Link(base_dir=str(tmp_path), number=39))
    for n_stages in (10, 20, 40):
        stamps_read.clear()
        assert Link(base_dir=str(tmp_path), number=n_stages - 1).complete()
        counts[n_stages] = len(stamps_read)
    assert counts[40] - counts[20] == 2 * (counts[20] - counts[10])
    assert counts[40] <= 3 * 40


def test_complete_looks_at_each_stage_of_a_row_of_diamonds_once(tmp_path, stamps_read):
    build(Link(base_dir=str(tmp_path), number=15, width=2))
    stamps_read.clear()
    assert Link(base_dir=str(tmp_path), number=15, width=2).complete()
    # Each stage reads its own stamp, and those of the two above it.
    assert len(stamps_read) <= 4 * 31


def test_a_chain_of_1500_stages_needs_no_deep_recursion(tmp_path, stamps_read, monkeypatch):
    last = Link(base_dir=str(tmp_path), number=1499)
    assert len(upstream_first(last)) == 1500
    assert not last.complete()
    assert len(stamps_read) <= 2
    monkeypatch.setattr(Stage, "decide", lambda self: Keep())
    assert last.complete()


def make_stage(new_version="1", *, has_parameter=False):
    class Same(TextStage):
        version = new_version
        if has_parameter:
            text: str = luigi.Parameter(default="new")

    return Same


def make_other_stage():
    class Same(TextStage):
        pass

    return Same


def test_two_stages_of_a_graph_that_would_write_one_directory_are_named(tmp_path):
    @requires(make_stage(), make_other_stage())
    class Both(TextStage):
        pass

    with pytest.raises(
        DirectoryConflictError, match=r"make_(other_)?stage.*Same.* and .*make_(other_)?stage.*Same.*interim/Same"
    ):
        Both(base_dir=str(tmp_path)).complete()
    assert not any(tmp_path.iterdir())


def test_two_spellings_of_one_base_directory_are_a_conflict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = Words(base_dir="data")
    build(first)
    with pytest.raises(DirectoryConflictError, match=r"base_dir=data.*base_dir=\./data"):
        Words(base_dir="./data").complete()


@pytest.mark.parametrize("change", [{}, {"has_parameter": True}, {"new_version": "2"}], ids=str)
def test_a_class_that_is_defined_again_in_a_notebook_is_no_conflict(tmp_path, change):
    first = make_stage()(base_dir=str(tmp_path))
    build(first)
    again = make_stage(**change)(base_dir=str(tmp_path))
    assert again.complete() == (not change)
    build(again)
    assert again.complete()


class Plain(luigi.Task):
    """A Luigi task that knows nothing of tintype."""

    folder: str = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(f"{self.folder}/plain.txt")

    def run(self):
        BUILT.append("Plain")
        with self.output().open("w") as file:
            file.write("plain")


class AfterPlain(TextStage):
    def requires(self):
        return Plain(folder=self.base_dir)

    def text_of_file(self):
        return Path(self.input().path).read_text()


def test_a_plain_luigi_task_may_stand_above_a_stage(tmp_path):
    task = AfterPlain(base_dir=str(tmp_path))
    assert not task.complete()
    assert build(task) == ["Plain", "AfterPlain"]
    assert task.complete()
    assert task.recipe().inputs.keys() == {"plain.txt"}


def test_a_changed_file_of_a_plain_task_is_seen(tmp_path):
    task = AfterPlain(base_dir=str(tmp_path))
    build(task)
    Path(tmp_path, "plain.txt").write_text("changed by hand")
    assert str(task.decide()) == "input plain.txt changed"
    assert build(task) == ["AfterPlain"]
    Path(tmp_path, "plain.txt").unlink()
    assert build(task) == ["Plain", "AfterPlain"]


def test_several_stages_may_stand_above_one(tmp_path):
    @requires(Words, Shouts)
    class Together(TextStage):
        pass

    build(Together(base_dir=str(tmp_path)))
    assert (tmp_path / "interim/Together/text.txt").read_text() == "hello, HELLO"
    assert Together(base_dir=str(tmp_path)).recipe().inputs.keys() == {"raw/Words", "interim/Shouts"}


# Pickles


def test_a_task_survives_pickling(tmp_path):
    task = Many(base_dir=str(tmp_path), number=3, note="kept too", tags=("a", "b"))
    again = pickle.loads(pickle.dumps(task))
    assert again == task
    assert again.param_kwargs == task.param_kwargs


def test_what_luigi_hangs_on_a_running_task_does_not_hinder_pickling(tmp_path):
    task = Many(base_dir=str(tmp_path))
    task.set_status_message = lambda text: None
    assert pickle.loads(pickle.dumps(task)) == task


# Building a directory at once


class Volumes(Stage):
    """Writes three files; stops before the one that ``stop_before`` holds."""

    layer = "raw"
    recorded_columns = {"number": int}
    stop_before: list[int] = []
    not_in_recipe = Stage.not_in_recipe | {"stop_before"}

    def build(self, staging):
        for number in range(3):
            outpath = f"shelf/{number}.txt"
            if staging.is_finished(outpath):
                continue
            if number in self.stop_before:
                raise RuntimeError("interrupted")
            (staging.files / "shelf").mkdir(exist_ok=True)
            (staging.files / outpath).write_text(str(number))
            BUILT.append(outpath)
            staging.add(outpath, inpath=f"source {number}", columns={"number": number})


def test_added_files_are_on_the_manifest_with_their_columns(tmp_path):
    task = Volumes(base_dir=str(tmp_path))
    task.run()
    table = task.output().manifest().to_pandas()
    assert table[["inpath", "outpath", "status", "number"]].to_numpy().tolist() == [
        [f"source {number}", f"shelf/{number}.txt", "written", number] for number in range(3)
    ]
    assert task.output().verify(deep=True).ok


def test_a_build_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    task = Volumes(base_dir=str(tmp_path))
    monkeypatch.setattr(Volumes, "stop_before", [2])
    with pytest.raises(RuntimeError, match="interrupted"):
        task.run()
    assert not task.output().exists()
    BUILT.clear()
    monkeypatch.setattr(Volumes, "stop_before", [])
    task.run()
    assert BUILT == ["shelf/2.txt"]
    assert [row["number"] for row in task.output().manifest().rows()] == [0, 1, 2]
    assert task.output().verify(deep=True).ok


def test_a_stopped_build_of_another_recipe_starts_from_nothing(tmp_path, monkeypatch):
    task = Volumes(base_dir=str(tmp_path))
    monkeypatch.setattr(Volumes, "stop_before", [2])
    with pytest.raises(RuntimeError, match="interrupted"):
        task.run()
    monkeypatch.setattr(Volumes, "stop_before", [])
    monkeypatch.setattr(Volumes, "version", "2")
    BUILT.clear()
    task.run()
    assert len(BUILT) == 3


def test_a_file_that_was_not_added_is_told_and_nothing_is_published(tmp_path, monkeypatch):
    class Forgetful(Stage):
        layer = "raw"

        def build(self, staging):
            for name in ("a.txt", "b.txt"):
                (staging.files / name).write_text(name)
            staging.add("a.txt")

    task = Forgetful(base_dir=str(tmp_path))
    with pytest.raises(
        ManifestError, match=r"b\.txt lies in .*, and no row of the manifest names it: put it .* with staging\.add"
    ):
        task.run()
    assert not task.output().exists()


@pytest.mark.parametrize(("columns", "words"), [({"number": "three"}, "declared as int"), ({"m": 1}, "not declared")])
def test_an_added_column_that_does_not_fit_is_told(tmp_path, columns, words):
    class Odd(Stage):
        layer = "raw"
        recorded_columns = {"number": int}

        def build(self, staging):
            (staging.files / "a.txt").write_text("a")
            staging.add("a.txt", columns=columns)

    with pytest.raises(TintypeError, match=words):
        Odd(base_dir=str(tmp_path)).run()


def test_a_stage_may_publish_no_file_at_all(tmp_path):
    class Nothing(Stage):
        layer = "raw"
        recorded_columns = {"number": int}

        def build(self, staging):
            pass

    task = Nothing(base_dir=str(tmp_path))
    task.run()
    assert task.complete()
    manifest = task.output().manifest()
    assert len(manifest) == 0
    assert manifest.schema.field("number").type == "int64"
