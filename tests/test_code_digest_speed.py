"""What tintype.code_digest costs, counted: files read and parsed, definitions normalised. Nothing here is timed."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tintype.code_digest import digest_code, shelf, sources

Load = Callable[[str], types.ModuleType]

HEAD = "import luigi\nfrom luigi.util import requires\nfrom tintype.tasks import Stage\n\ndef scale(x):\n    return x\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return a function that imports a module of this text."""

    def load_module(text: str) -> types.ModuleType:
        (tmp_path / "many_stages.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("many_stages")

    yield load_module
    sys.modules.pop("many_stages", None)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what is read, parsed and normalised, by what it is."""
    counted: Counter[str] = Counter()

    def count(module: types.ModuleType, name: str, label: Callable[..., str]) -> None:
        original = getattr(module, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            counted[label(*arguments)] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(sources, "normalise", lambda node, _scope: str(getattr(node, "name", node)))
    count(shelf, "Source", lambda _text, name: f"parse {Path(name).name}")
    count(shelf, "_read_file", lambda file: f"read {Path(file).name}")
    return counted


def stage(name: str, *above: str) -> str:
    """Return the text of a stage that requires others and has a function of its own."""
    decorator = f"@requires({', '.join(above)})\n" if above else ""
    return (
        f"\ndef work_{name}(x):\n    return scale(x)\n\n{decorator}class {name}(Stage):\n    layer = 'raw'\n"
        f"    def build(self, staging):\n        return work_{name}(staging)\n"
    )


def test_a_chain_of_50_stages_is_read_once_and_each_definition_normalised_once(load, counts):
    module = load(HEAD + "".join(stage(f"S{n}", *([f"S{n - 1}"] if n else [])) for n in range(50)))
    digests = [digest_code(getattr(module, f"S{n}")) for n in range(50)]
    assert set(digests[49].parts) == {"many_stages.S49", "many_stages.work_S49", "many_stages.scale"}
    expected = {"read many_stages.py": 1, "parse many_stages.py": 1, "scale": 1}
    expected |= {f"{kind}{n}": 1 for n in range(50) for kind in ("S", "work_S")}
    assert counts == expected
    assert [digest_code(getattr(module, f"S{n}")) for n in range(50)] == digests
    assert counts == expected


def test_a_thousand_stages_in_diamonds_take_steps_in_proportion(load, counts):
    layers = [[f"L{n}a", f"L{n}b"] for n in range(500)]
    texts = [stage(name, *(layers[n - 1] if n else [])) for n, names in enumerate(layers) for name in names]
    module = load(HEAD + "".join(texts))
    for names in layers:
        for name in names:
            digest = digest_code(getattr(module, name))
            assert len(digest.parts) == 3
    assert set(counts.values()) == {1}
    assert len(counts) == 2 * 1000 + 1 + 2


def test_1500_functions_that_call_each_other_in_a_chain_are_no_trouble(load, counts):
    text = "".join(f"def f{n}(x):\n    return f{(n + 1) % 1500}(x)\n" for n in range(1500))
    module = load(HEAD + text + "class First(Stage):\n    def build(self, staging):\n        return f0(staging)\n")
    digest = digest_code(module.First)
    assert len(digest.parts) == 1501
    assert digest.unread == ()
    assert set(counts.values()) == {1}


def test_a_deep_expression_is_no_trouble(load):
    text = f"def deep(x):\n    return {' + '.join(['x'] * 900)}\n"
    digest = digest_code(load(HEAD + text + stage("First").replace("scale(x)", "deep(x)")).First)
    assert "many_stages.deep" in digest.parts
    assert digest.unread == ()


def test_threads_get_the_same_digests_from_one_reading(load, counts):
    names = [f"S{n}" for n in range(20)]
    module = load(HEAD + "".join(stage(name) for name in names))
    barrier = threading.Barrier(8)
    found: list[list[str]] = []

    def work() -> None:
        barrier.wait()
        found.append([digest_code(getattr(module, name)).digest for name in names])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(digests == found[0] for digests in found)
    assert len(set(found[0])) == 20
    assert counts["read many_stages.py"] == counts["parse many_stages.py"] == 1
