"""Dataset: raw data that is brought in once, and processed data that is made from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar, Literal

from tintype.datasets.filling import Filling, decide_part, fill
from tintype.datasets.method_code import MethodCode, read_method
from tintype.datasets.reports import DatasetReport, PartReport, PartState
from tintype.errors import SettingsError
from tintype.raw.import_folder import walk_sorted
from tintype.recipe import Rebuild, Recipe
from tintype.targets.directory import DirectoryTarget
from tintype.targets.verification import unread_digest

logger = logging.getLogger("luigi-interface.tintype")

Layer = Literal["raw", "processed"]
_METHODS: dict[Layer, str] = {"raw": "get_raw", "processed": "process"}


class Dataset:
    """A dataset in one base directory: override :meth:`get_raw`, :meth:`process`, or both, and call :meth:`build`.

    ``get_raw`` writes below ``self.raw_dir``, as received. ``process`` reads there and writes below
    ``self.processed_dir`` what a model reads. ``self.interim_dir`` is for what is made on the way: it is made, and
    neither checked nor emptied. While a method runs, the directory that it fills is a hidden one; when it returns, that
    is published by one rename, with a manifest, as ``<base_dir>/raw`` or ``<base_dir>/processed``. What is interrupted
    or raises publishes nothing, and the next run begins with an empty folder.

    Each of the two is built again when its own code has changed, or an attribute that it reads, or its input; see
    :meth:`explain`. Called on its own, ``get_raw`` or ``process`` brings its directory up to date in the same way.

    Without a ``get_raw``, what lies in ``<base_dir>/raw`` is the raw data.

    Parameters
    ----------
    base_dir
        The dataset's home; holds raw, interim and processed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> class Words(Dataset):
    ...     def get_raw(self):
    ...         print("fetching")
    ...         (self.raw_dir / "words.txt").write_text("one two")
    ...     def process(self):
    ...         text = (self.raw_dir / "words.txt").read_text()
    ...         (self.processed_dir / "WORDS.txt").write_text(text.upper())
    >>> with TemporaryDirectory() as folder:
    ...     words = Words(folder)
    ...     _ = words.build()
    ...     print((words.processed_dir / "WORDS.txt").read_text())
    ...     report = words.build()
    ...     print(report.raw.state, report.processed.state)
    fetching
    ONE TWO
    kept kept
    """

    raw_version: ClassVar[str] = "1"
    """Raised by hand when the raw data must be brought in again."""
    process_version: ClassVar[str] = "1"
    """Raised by hand when the data must be processed again."""
    not_in_recipe: ClassVar[frozenset[str]] = frozenset(
        {"base_dir", "raw_version", "process_version", "not_in_recipe", "_filling"}
    )
    """Attributes that say how to build, or from where, and not what. Those of bases add up."""

    _filling: Filling | None = None

    def __init__(self, base_dir: str | Path = "data") -> None:
        self.base_dir = base_dir

    def __init_subclass__(cls, **options: Any) -> None:
        """Have a call of a method on its own, outside of a build, bring its directory up to date, too."""
        super().__init_subclass__(**options)
        for layer, name in _METHODS.items():
            method = vars(cls).get(name)
            if isinstance(method, FunctionType):
                setattr(cls, name, _through_staging(method, layer))

    @property
    def raw_dir(self) -> Path:
        """The folder of the raw data; while ``get_raw`` runs, the hidden one that becomes it."""
        return self._folder("raw")

    @property
    def interim_dir(self) -> Path:
        """A folder for what is made on the way; it is there while a method runs."""
        return Path(self.base_dir).expanduser() / "interim"

    @property
    def processed_dir(self) -> Path:
        """The folder of the processed data; while ``process`` runs, the hidden one that becomes it."""
        return self._folder("processed")

    def get_raw(self) -> None:
        """Write the raw data below ``self.raw_dir``, as received."""
        raise NotImplementedError(f"{type(self).__name__} has no get_raw: override it to write below self.raw_dir")

    def process(self) -> None:
        """Read below ``self.raw_dir``, and write below ``self.processed_dir``."""
        raise NotImplementedError(
            f"{type(self).__name__} has no process: override it to write below self.processed_dir"
        )

    def source_digests(self) -> Mapping[str, str]:
        """Return what tells that the source has changed, by any name, such as an ETag; it is asked for on every build.

        By default nothing: raw data that was brought in stays as long as the code of ``get_raw`` does.
        """
        return {}

    def build(self) -> DatasetReport:
        """Bring the raw data up to date, then the processed data. A second call does nothing.

        Returns
        -------
        DatasetReport
            What was done and why; printed, a line for each of the two.

        Raises
        ------
        NotImplementedError
            When neither ``get_raw`` nor ``process`` is overridden.
        SettingsError
            When there is neither a ``get_raw`` nor raw data.
        StagingLockedError
            When another process is building the same dataset.
        Exception
            Whatever ``get_raw`` or ``process`` raises. What ``get_raw`` has brought in before stays.
        """
        if not (self._defines("raw") or self._defines("processed")):
            raise NotImplementedError(f"{type(self).__name__} has nothing to build: override get_raw or process")
        raw = self._bring_up_to_date("raw")
        return DatasetReport(raw, self._bring_up_to_date("processed"))

    def explain(self) -> DatasetReport:
        """Return what :meth:`build` would do, and why. Changes nothing."""
        return DatasetReport(self._look("raw"), self._look("processed"))

    def _folder(self, layer: Layer) -> Path:
        if self._filling is not None and self._filling.layer == layer:
            return self._filling.folder
        return Path(self.base_dir).expanduser() / layer

    def _target(self, layer: Layer) -> DirectoryTarget:
        return DirectoryTarget(Path(self.base_dir).expanduser() / layer)

    def _defines(self, layer: Layer) -> bool:
        name = _METHODS[layer]
        return name in vars(self) or getattr(type(self), name) is not getattr(Dataset, name)

    def _code(self, layer: Layer) -> MethodCode:
        ignored = {name for base in type(self).__mro__ for name in vars(base).get("not_in_recipe", ())}
        return read_method(self, _METHODS[layer], stop=Dataset, ignored=ignored)

    def _recipe(self, layer: Layer, code: MethodCode) -> Recipe:
        return Recipe(
            family=type(self).__name__,
            version=str(self.raw_version if layer == "raw" else self.process_version),
            attributes=code.attributes,
            inputs=self.source_digests() if layer == "raw" else {"raw": self._raw_digest()},
            code=code.code.parts,
        )

    def _raw_digest(self) -> str:
        """Return the digest of the raw data; of what was put there by hand, of its listing."""
        target = self._target("raw")
        stamp = target.stamp()
        if stamp is not None:
            return stamp.digest
        if self._defines("raw"):
            return "absent"
        if not target.folder.is_dir():
            raise SettingsError(
                f"{target} is not there, and {type(self).__name__} has no get_raw: put the raw data there, or write one"
            )
        digest = sha256()
        for path in walk_sorted(target.folder, skip=""):
            digest.update(
                f"{path}\0{unread_digest((target.folder / path).stat())}\n".encode("utf-8", "surrogateescape")
            )
        return digest.hexdigest()

    def _look(self, layer: Layer) -> PartReport:
        target = self._target(layer)
        if not self._defines(layer):
            return PartReport(layer, "given" if layer == "raw" else "not defined", target)
        code = self._code(layer)
        decision = decide_part(target, self._recipe(layer, code))
        reasons = decision.reasons if isinstance(decision, Rebuild) else ()
        return PartReport(layer, "would be built" if reasons else "kept", target, reasons, code.code.unread)

    def _bring_up_to_date(self, layer: Layer) -> PartReport:
        look = self._look(layer)
        if look.state != "would be built":
            return look
        name = f"{type(self).__name__}.{_METHODS[layer]}"
        recipe = self._recipe(layer, self._code(layer))
        if recipe.inputs.get("raw") == "absent":
            raise SettingsError(f"{name} needs the raw data, and {self._target('raw')} is not built: call build()")
        decision = fill(look.target, recipe, layer, self._run_method, name=name)
        state: PartState = "built" if isinstance(decision, Rebuild) else "kept"
        return PartReport(layer, state, look.target, look.reasons, look.unread_code)

    def _run_method(self, filling: Filling) -> None:
        self.interim_dir.mkdir(parents=True, exist_ok=True)
        self._filling = filling
        try:
            getattr(self, "get_raw" if filling.layer == "raw" else "process")()
        except BaseException as error:
            error.add_note(f"{self._target('raw' if filling.layer == 'raw' else 'processed')} was left as it was.")
            raise
        finally:
            del self._filling


def _through_staging(method: FunctionType, layer: Layer) -> Callable[..., Any]:
    """Return a method that works within a build, and on its own brings its directory up to date."""

    @wraps(method)
    def run(self: Dataset, *arguments: Any, **options: Any) -> Any:
        if self._filling is not None:
            return method(self, *arguments, **options)
        self._bring_up_to_date(layer)
        return None

    return run
