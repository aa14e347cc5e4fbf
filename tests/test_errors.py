"""Behaviour of tintype.errors."""

import builtins
import inspect
import pickle
import re

import pytest

from tintype import errors

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]
BRANCHES = re.findall(r"^([ │├└─]*)(\w+Error)(?: \((\w+)\))?", inspect.cleandoc(errors.__doc__ or ""), re.MULTILINE)


def test_there_is_no_error_without_a_line_in_the_tree_and_no_line_without_an_error():
    assert sorted(name for _, name, _ in BRANCHES) == sorted(error.__name__ for error in CLASSES)


def test_the_tree_shows_the_base_of_each_error():
    drawn: dict[str, str] = {}
    above: list[str] = []
    for lines, name, _ in BRANCHES:
        depth = len(lines) // 4 - 1  # the tree is a code block
        above[depth:] = [name]
        if depth:
            drawn[name] = above[depth - 1]
    assert drawn == {
        error.__name__: error.__bases__[0].__name__ for error in CLASSES if error is not errors.TintypeError
    }


@pytest.mark.parametrize(("name", "builtin"), [(name, builtin) for _, name, builtin in BRANCHES if builtin])
def test_the_tree_names_the_builtin_that_each_error_also_is(name, builtin):
    assert issubclass(getattr(errors, name), getattr(builtins, builtin))


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_ours_and_a_builtin_that_a_caller_would_try(error):
    assert issubclass(error, errors.TintypeError)
    if error is not errors.TintypeError:
        others = {base for base in error.__mro__ if base.__module__ == "builtins"}
        assert others - {Exception, BaseException, object}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_travels_between_processes_with_its_words(error):
    arguments: tuple[int | str, ...] = ("no space is left",)
    if issubclass(error, errors.StagingError):
        arguments = (28, *arguments)
    elif issubclass(error, errors.EvaluationError):
        arguments = (3, "save", "make.py:7", "a.png", *arguments)
    raised = error(*arguments)
    returned = pickle.loads(pickle.dumps(raised))
    assert type(returned) is type(raised)
    assert str(returned) == str(raised)
    assert "no space is left" in str(returned)


def test_a_file_error_keeps_its_report_and_has_none_at_first():
    assert errors.FileError("a.png").run_report is None
