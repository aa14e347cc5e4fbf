"""Behaviour of tintype.torch_dataset, read by PyTorch's own DataLoader, and of a split read by torchvision."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image
from tests.conftest import skip_or_fail

import tintype
from tintype import processed, raw
from tintype.errors import EvaluationError, ManifestError, SettingsError
from tintype.load_funcs import load_array, load_bytes, load_image
from tintype.tasks.graph import upstream_first

LABELS = ["cats", "people", "space", "things"]


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


def import_package(name: str) -> Any:
    """Return a package that reads datasets, or skip or fail the test."""
    if importlib.util.find_spec(name) is None:
        skip_or_fail(f"this test needs {name}: pip install 'tintype[consumers]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture(autouse=True)
def torch() -> Any:
    return import_package("torch")


@pytest.fixture(scope="module")
def torchvision() -> Iterator[Any]:
    """Return torchvision, with its datasets and transforms; other tests find it as if nobody had imported it.

    The usual wheel is built for CUDA, so that its compiled operators cannot be loaded beside a PyTorch for processors
    alone, and the package refuses to be imported. What is wanted here is plain Python: it is imported without the
    package's own ``__init__``.
    """
    try:
        yield _import_torchvision()
    finally:
        _forget_torchvision()


def _forget_torchvision() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _import_torchvision() -> Any:
    try:
        return import_package("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    _forget_torchvision()
    for name in ("torchvision", "torchvision.datasets"):
        package = ModuleType(name)
        package.__path__ = [str(Path(spec.submodule_search_locations[0], *name.split(".")[1:]))]
        sys.modules[name] = package
    package = sys.modules["torchvision"]
    package.datasets = import_package("torchvision.datasets.folder")  # type: ignore[attr-defined]
    package.transforms = import_package("torchvision.transforms")  # type: ignore[attr-defined]
    package.get_image_backend = lambda: "PIL"  # type: ignore[attr-defined]
    return package


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Split(processed.SplitDataset):
    parts = {"train": 0.5, "valid": 0.5}
    method = "exact"


def build(source: Path, cls: Any = Photos) -> Any:
    task = cls(base_dir=str(source.parent / "data"), folder=str(source))
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with twelve small images of one size."""
    for number in range(12):
        path = tmp_path / "source" / LABELS[number % 4] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), (number, 2 * number, 3 * number)).save(path)
    return tmp_path / "source"


def mean_of(image: Image.Image) -> float:
    """Return the mean of an image: a transform that spawned workers can import."""
    return float(np.asarray(image).mean())


def fail_for_number_seven(image: Image.Image) -> float:
    if image.getpixel((0, 0))[0] == 7:  # type: ignore[index]
        raise ValueError("unlucky")
    return mean_of(image)


def test_an_item_is_an_image_and_the_number_of_its_class(photographs, tmp_path, torch):
    dataset = tintype.torch_dataset(publish(photographs, tmp_path))
    assert isinstance(dataset, torch.utils.data.Dataset)
    assert len(dataset) == 8
    assert dataset.classes == tuple(LABELS)
    assert dataset.class_to_idx == {label: number for number, label in enumerate(LABELS)}
    for index in range(8):
        image, number = dataset[index]
        expected = np.asarray(Image.open(dataset.path(index)).convert("RGB")).transpose(2, 0, 1)
        assert (image.dtype, image.is_contiguous()) == (torch.uint8, True)
        np.testing.assert_array_equal(image.numpy(), expected)
        assert LABELS[number] == dataset.path(index).parent.name == dataset.row(index)["label"]
        assert dataset.targets[index] == number


def publish(photographs: Path, folder: Path) -> Any:
    task = Photos(base_dir=str(folder / "data"), folder=str(photographs))
    task.run()
    return task.output()


def test_a_stage_a_target_and_a_path_are_the_same(source):
    task = build(source)
    sets = [tintype.torch_dataset(what, mean_of) for what in (task, task.output(), task.output().path)]
    assert list(sets[0]) == list(sets[1]) == list(sets[2])
    assert [what.path(3) for what in sets] == [sets[0].path(3)] * 3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    ("n_workers", "context"), [(0, None), (2, "fork"), pytest.param(2, "spawn", marks=pytest.mark.slow)]
)
def test_a_data_loader_reads_every_image_once_with_any_workers(source, n_workers, context, torch):
    dataset = tintype.torch_dataset(build(source), columns=["outpath"])
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=5, shuffle=True, num_workers=n_workers, multiprocessing_context=context
    )
    found = {}
    for images, numbers, rows in loader:
        assert images.shape[1:] == (3, 4, 5)
        for image, number, outpath in zip(images, numbers, rows["outpath"], strict=True):
            found[outpath] = (image[:, 0, 0].tolist(), LABELS[number])
    assert found == {
        f"{LABELS[number % 4]}/{number}.png": ([number, 2 * number, 3 * number], LABELS[number % 4])
        for number in range(12)
    }


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_workers_read_a_dataset_that_their_parent_has_read_from(source, torch):
    dataset = tintype.torch_dataset(build(source), mean_of, columns=["outpath"])
    before = [dataset[index] for index in range(12)]
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert [item[0] for item in loader] == [item[0] for item in before]


def test_a_transform_gets_what_torchvisions_transforms_take(source, torch, torchvision):
    known = torchvision.transforms
    transform = known.Compose([known.Resize((8, 8)), known.RandomHorizontalFlip(), known.ToTensor()])
    image, _ = tintype.torch_dataset(build(source), transform)[3]
    assert (tuple(image.shape), image.dtype) == ((3, 8, 8), torch.float32)
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_gray_and_transparent_images_are_rgb_too(tmp_path):
    (tmp_path / "source").mkdir()
    Image.new("L", (5, 4), 9).save(tmp_path / "source" / "gray.png")
    Image.new("RGBA", (5, 4), (1, 2, 3, 128)).save(tmp_path / "source" / "seen-through.png")
    dataset = tintype.torch_dataset(build(tmp_path / "source"), label=None)
    assert [image[:, 0, 0].tolist() for image in dataset] == [[9, 9, 9], [1, 2, 3]]


def test_a_condition_chooses_files_and_leaves_the_numbers_of_the_classes(source):
    task = build(source, Split)
    train, valid = (tintype.torch_dataset(task, mean_of, where=f"part == '{part}'") for part in ("train", "valid"))
    assert (len(train), len(valid)) == (6, 6)
    assert train.classes == valid.classes == tuple(LABELS)
    one = tintype.torch_dataset(task, mean_of, where="label == 'space'")
    assert [number for _, number in one] == [2, 2, 2]
    none = tintype.torch_dataset(task, where="label == 'nothing'")
    assert (len(none), list(none)) == (0, [])


def test_rows_of_the_manifest_choose_files_too(source):
    target = build(source).output()
    dataset = tintype.torch_dataset(target, mean_of, where=target.manifest().sample(5, seed=1))
    assert len(dataset) == 5
    assert [LABELS[number] for _, number in dataset] == [dataset.row(index)["label"] for index in range(5)]


def test_rows_of_another_directory_are_refused(source):
    split = build(source, Split)
    with pytest.raises(SettingsError, match="are rows of another directory"):
        tintype.torch_dataset(split, where=build(source).output().manifest())


def test_numbers_are_labels_as_they_are_and_none_leaves_the_image_alone(source):
    task = build(source)
    _, size = tintype.torch_dataset(task, mean_of, label="size_bytes")[0]
    assert size == (source / "cats" / "0.png").stat().st_size
    _, seconds = tintype.torch_dataset(task, mean_of, label="seconds")[0]
    assert isinstance(seconds, float)
    assert tintype.torch_dataset(task, mean_of, label=None)[0] == 0.0
    assert tintype.torch_dataset(task, mean_of, label=None, columns=["label"])[0] == (0.0, {"label": "cats"})


def test_anything_is_loaded_by_a_function_of_ones_own(tmp_path, torch):
    (tmp_path / "source").mkdir()
    np.save(tmp_path / "source" / "1.npy", np.arange(6.0).reshape(2, 3))
    task = build(tmp_path / "source")
    array = tintype.torch_dataset(task, torch.from_numpy, label=None, load_func=load_array)[0]
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    data = tintype.torch_dataset(task, label=None, load_func=load_bytes)[0]
    assert data == (tmp_path / "source" / "1.npy").read_bytes()


def test_negative_numbers_count_from_the_end_and_others_are_refused(source):
    dataset = tintype.torch_dataset(build(source), mean_of)
    assert dataset[-1] == dataset[11]
    with pytest.raises(IndexError, match="12"):
        dataset[12]
    with pytest.raises(TypeError, match="slice"):
        dataset[1:3]  # type: ignore[index]


def test_it_pickles_and_is_a_dataset_at_the_other_end(source, torch):
    dataset = tintype.torch_dataset(build(source), mean_of)
    again = pickle.loads(pickle.dumps(dataset))
    assert isinstance(again, torch.utils.data.Dataset)
    assert list(again) == list(dataset)
    assert again.class_to_idx == dataset.class_to_idx
    first, second = torch.utils.data.random_split(again, [5, 7])
    assert (len(first), len(second)) == (5, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "breed"}, r"has no column 'breed' to take labels from: name one of inpath, .*, or None"),
        ({"columns": ["breed"]}, r"has no column 'breed': name some of inpath, "),
        ({"label": "error"}, r"^cats/0.png has no label, its 'error' is empty"),
        ({"where": "breed == 'x'"}, r"there is no column breed"),
    ],
)
def test_columns_that_are_not_there_are_told_at_once(source, arguments, message):
    with pytest.raises(ManifestError, match=message):
        tintype.torch_dataset(build(source), **arguments)


def test_a_directory_that_is_not_built_is_told_at_once(tmp_path):
    with pytest.raises(ManifestError, match=r"nowhere is not published: build its stage first"):
        tintype.torch_dataset(tmp_path / "nowhere")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_fails_names_the_file_here_and_in_a_worker(source, torch):
    dataset = tintype.torch_dataset(build(source), fail_for_number_seven)
    with pytest.raises(EvaluationError, match=r"things/7.png.*ValueError: unlucky"):
        list(dataset)
    loader = torch.utils.data.DataLoader(dataset, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(RuntimeError, match=r"things/7.png"):
        list(loader)


def test_without_pytorch_the_error_names_the_cure():
    program = """
import sys
sys.modules["torch"] = None
import tintype
from tintype.errors import MissingPackageError
try:
    tintype.torch_dataset("data")
except MissingPackageError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert result.stdout == "torch_dataset needs PyTorch: pip install torch, as pytorch.org says for your machine\n"


def test_to_import_it_imports_no_pytorch():
    program = "import sys, tintype; tintype.torch_dataset; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr


def test_torchvisions_image_folder_reads_a_split_with_the_same_numbers(source, torchvision):
    task = build(source, Split)
    for part in ("train", "valid"):
        theirs = torchvision.datasets.ImageFolder(task.output().folder / part, allow_empty=True)
        ours = tintype.torch_dataset(task, label="label", where=f"part == '{part}'", load_func=load_image)
        assert theirs.classes == list(ours.classes)
        assert theirs.class_to_idx == ours.class_to_idx
        mine = {str(ours.path(index)): ours[index] for index in range(len(ours))}
        assert dict(theirs.samples) == {path: item[1] for path, item in mine.items()}
        for (path, _), (image, _) in zip(theirs.samples, theirs, strict=True):
            np.testing.assert_array_equal(np.asarray(image), mine[path][0])
