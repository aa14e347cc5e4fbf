"""Stage: one Luigi task that makes one directory."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import luigi
from luigi.task import flatten, getpaths

from tintype.code_digest import CodeDigest, digest_code
from tintype.errors import SettingsError
from tintype.manifest.schema import columns_schema, mark_staying, mark_undigested
from tintype.recipe import Keep, Reason, Rebuild, Recipe, decide
from tintype.settings import TRIGGERS, read_settings, read_track_versions, read_triggers
from tintype.targets.directory import DirectoryTarget
from tintype.targets.staging import Staging
from tintype.tasks.attributes import changed_parameters, plain_attributes, significant_parameters
from tintype.tasks.failures import Failures
from tintype.tasks.graph import TaskIdentity, claim_directory, identity, walk_upstream_first
from tintype.tasks.inputs import input_digest, input_name
from tintype.tasks.interruption import stoppable
from tintype.tasks.look import Look, Value
from tintype.tasks.naming import directory_name
from tintype.tasks.orders import find_order
from tintype.tasks.result_columns import added_batches
from tintype.tasks.viewable_task import ViewableTask

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("luigi-interface.tintype")

_LUIGIS_OWN = frozenset(dir(luigi.Task))
LAYERS = ("raw", "interim", "processed")


class Stage(ViewableTask):
    """One stage of a dataset: a Luigi task whose output is one directory, ``<base_dir>/<layer>/<Family>``.

    Subclass it and write :meth:`build` to make a whole directory at once; for work on many files one by one subclass
    :class:`tintype.tasks.FileStage`. Set ``version`` to another value to have the directory built again.

    Examples
    --------
    >>> class Greeting(Stage):
    ...     layer = "processed"
    ...     def build(self, staging):
    ...         (staging.files / "hello.txt").write_text("hello")
    ...         staging.add("hello.txt")
    >>> Greeting(base_dir="data").output().path
    'data/processed/Greeting'
    """

    base_dir: str = luigi.Parameter(default="data", description="the dataset's home; holds raw, interim and processed")
    n_jobs: int | None = luigi.OptionalIntParameter(
        default=None, significant=False, description="files worked on at once; by default [tintype] n_jobs"
    )

    layer: ClassVar[str] = ""
    """``raw``, ``interim`` or ``processed``."""
    version: ClassVar[str] = "1"
    """Raised by hand when the directory must be built again."""
    recorded_columns: ClassVar[Mapping[str, type]] = {}
    """Type of each column that this stage adds to its rows: bool, int, float or str."""
    max_failure_rate: ClassVar[float] = 0.0
    """Share of the inputs that may fail, 0 to 1."""
    undigested_columns: ClassVar[frozenset[str]] = frozenset()
    """Columns that do not count when two builds are compared, here and in the stages below that carry them: they differ
    from one build to the next."""
    own_settings: ClassVar[frozenset[str]] = frozenset()
    """Parameters that are not handed to the stage above. Luigi's ``requires`` hands over all that have one name, so
    that of two filters in a row the first would work with the settings of the second."""
    triggers: ClassVar[Collection[str] | None] = None
    """What has the directory built again when it differs: any of ``version``, ``parameters``, ``inputs`` and ``code``;
    when None, ``[tintype] triggers``."""
    report: ClassVar[bool] = False
    """Whether to write a page about this stage and all above it after each build, to ``<base_dir>/reports/<Name>``, see
    :func:`tintype.report.write_report`; Luigi's tracking link then leads to it."""
    columns_that_stay: ClassVar[frozenset[str]] = frozenset()
    """Recorded columns that later stages do not get: what they say is about this stage alone."""
    not_in_recipe: ClassVar[frozenset[str]] = frozenset(
        {
            "layer",
            "version",
            "max_failure_rate",
            "undigested_columns",
            "triggers",
            "report",
            "own_settings",
            "not_in_recipe",
            "base_dir",
            "n_jobs",
        }
    )
    """Class attributes and parameters that say how to build, or from where, and not what. Those of bases add up."""

    @abstractmethod
    def build(self, staging: Staging) -> None:
        """Fill ``staging.files``, and put each file on the manifest with ``staging.add``.

        After a kill or an error it is called again on what was finished: ``staging.is_finished(outpath)`` says what
        need not be made anew.
        """

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as class and parameters: what Luigi hangs on a running task stays in its process."""
        return partial(type(self), **self.param_kwargs), ()

    def clone(self, cls: type[luigi.Task] | None = None, **changed: Any) -> Any:
        """Return a task of another class with the parameters of this one that it has too, but for its own settings.

        Parameters
        ----------
        cls
            The other class; without it the new task is of this one's class, and all parameters are kept.
        **changed
            Parameters of the new task that have other values.
        """
        if cls is None or cls is type(self) or not self.own_settings:
            return super().clone(cls, **changed)
        names = {name for name, _ in cls.get_params()}
        handed = {name: getattr(self, name) for name in names - self.own_settings if hasattr(self, name)}
        return cls(**handed | {name: value for name, value in changed.items() if name in names})

    def output(self) -> DirectoryTarget:
        """Return the directory that this stage publishes."""
        if self.layer not in LAYERS:
            raise SettingsError(
                f"{type(self).__name__}.layer is {self.layer!r}: set it to 'raw', 'interim' or 'processed', "
                "or derive the class from one in tintype.raw, tintype.interim or tintype.processed"
            )
        return DirectoryTarget(Path(self.base_dir).expanduser() / self.layer / self._directory_name)

    # A task's parameters never change, and Luigi asks for its output and its completeness many times.
    @cached_property
    def _directory_name(self) -> str:
        return directory_name(self.get_task_family(), changed_parameters(self))

    @cached_property
    def _parameters(self) -> Mapping[str, str]:
        return significant_parameters(self)

    def complete(self) -> bool:
        """Return whether everything above is complete and this directory is what the recipe asks for.

        Costs a small read for each stage of the graph above, and never looks at the files a stage published.

        Raises
        ------
        StampError
            When a stamp is corrupt or was written by a newer tintype.
        DirectoryConflictError
            When another task of this process writes the same directory.
        """
        is_complete: dict[TaskIdentity, bool] = {}
        for node in walk_upstream_first(self):
            task = node.task
            if isinstance(task, Stage):
                claim_directory(task, task.output().path)
                above = (is_complete[identity(required)] for required in node.upstream())
                with task.requiring(node.requires):
                    is_complete[identity(task)] = all(above) and isinstance(task.decide(), Keep)
            else:
                is_complete[identity(task)] = bool(task.complete())
        return is_complete[identity(self)]

    @contextmanager
    def requiring(self, required: Any) -> Iterator[None]:
        """Take `required` for what ``requires()`` returns, until the end of the block: a walk asks each task once."""
        self._required_now = required
        try:
            yield
        finally:
            self._required_now = None

    _required_now: Any = None

    def input(self) -> Any:
        """Return the outputs of what is required, in the same structure."""
        return getpaths(self.requires() if self._required_now is None else self._required_now)

    def recipe(self) -> Recipe:
        """Return everything that decides the bytes of this directory, as it is now."""
        left_out = self._left_out()
        return Recipe(
            family=self.get_task_family(),
            version=str(self.version),
            parameters={name: value for name, value in self._parameters.items() if name not in left_out},
            attributes=plain_attributes(type(self), stop=Stage, ignored=left_out),
            inputs=self.input_digests(),
            code=self.code().parts,
        )

    def code(self) -> CodeDigest:
        """Return the digest of the code that makes this directory, and the names of what of it cannot be read.

        It is the code of this class and of everything it reaches in modules that are neither tintype's nor installed.
        Parameters and plain class attributes do not count here: the recipe has their values.
        """
        left_out = self._left_out()
        elsewhere = {name for name, _ in self.get_params()}
        elsewhere.update(plain_attributes(type(self), stop=Stage, ignored=left_out))
        return digest_code(
            type(self),
            extra=self.more_code(),
            track_versions=read_track_versions(),
            ignored=left_out | _LUIGIS_OWN | elsewhere,
        )

    def more_code(self) -> Iterable[object]:
        """Return functions that make this directory and that the class does not name: those a parameter chooses."""
        return ()

    def _left_out(self) -> set[str]:
        return {name for base in type(self).__mro__ for name in vars(base).get("not_in_recipe", ())}

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of each input, by a name that stays when the dataset is moved."""
        digests: dict[str, str] = {}
        for target in flatten(self.input()):
            name = input_name(target, str(self.base_dir))
            while name in digests:
                name += "'"
            digests[name] = input_digest(target)
        return digests

    def decide(self, wanted: Recipe | None = None) -> Keep | Rebuild:
        """Compare what is published with what is asked for; more failures than allowed are a reason too.

        Changes nothing.

        Parameters
        ----------
        wanted
            The recipe as it is now, where it is known; to take it may mean to look at every file of a source.
        """
        target = self.output()
        stamp = target.stamp()
        if stamp is None:
            return Rebuild((Reason("missing", "never built"),))
        decision = decide(stamp.recipe, wanted or self.recipe(), self._triggers())
        reasons = list(decision.reasons) if isinstance(decision, Rebuild) else []
        failures = Failures(self.max_failure_rate, stamp.n_inputs, stamp.n_failed)
        if failures.are_too_many():
            text = f"{failures.n_failed} of {failures.total} inputs failed, more than max_failure_rate"
            reasons.append(Reason("failures", text))
        order = find_order(target, stamp)
        if order is not None:
            reasons.append(order.reason())
        return Rebuild(tuple(reasons)) if reasons else Keep()

    def _triggers(self) -> Collection[str]:
        triggers = read_triggers() if self.triggers is None else self.triggers
        unknown = sorted(set(triggers) - set(TRIGGERS))
        if unknown or isinstance(triggers, str):
            raise SettingsError(
                f"{type(self).__name__}.triggers is {self.triggers!r}: give any of {', '.join(TRIGGERS)}, as a tuple"
            )
        return triggers

    @contextmanager
    def one_look(self) -> Iterator[Look]:
        """Look at what the stage works on once until the end of the block, whatever changes meanwhile."""
        if self._look is not None:
            yield self._look
            return
        self._look = Look()
        try:
            yield self._look
        finally:
            look, self._look = self._look, None
            look.close()

    def once(self, name: str, make: Callable[[], Value]) -> Value:
        """Return a value that is made once a run, for what reads a source; outside a run it is made anew."""
        return make() if self._look is None else self._look.once(name, make)

    def has_looked_at(self, name: str) -> bool:
        """Return whether this run has made the value of a name."""
        return self._look is not None and name in self._look

    _look: Look | None = None

    def run(self) -> None:
        """Decide, and build and publish the directory if it is not what is asked for."""
        with self.one_look():
            self._run()

    def _run(self) -> None:
        wants_report = self._wants_report()
        target = self.output()
        claim_directory(self, target.path)
        recipe = self.recipe()
        with stoppable(), Staging(target.folder, recipe, self._triggers()) as staging:
            decision = self.decide(recipe)
            if isinstance(decision, Keep):
                logger.info("%s: up to date", target)
                staging.discard()
                return
            logger.info("%s: building (%s)", target, decision)
            staging.column_types = dict(self.recorded_columns)
            staging.keeps_unchanged = decision.keeps_unchanged
            self.build(staging)
            extra = mark_undigested(self.extra_schema(), self.undigested_columns)
            extra = mark_staying(extra, self.columns_that_stay)
            stamp = staging.publish(self.manifest_batches(staging), extra, durable=read_settings().durable)
            self._tell_where(target.path)
        failed = f", {stamp.n_failed:,} inputs failed" if stamp.n_failed else ""
        logger.info(
            "%s: published, %s files, %s bytes%s", target, f"{stamp.n_files:,}", f"{stamp.size_bytes:,}", failed
        )
        if wants_report:
            self._write_report()

    def extra_schema(self) -> pa.Schema:
        """Return the Arrow schema of the manifest's columns beyond the fixed ones."""
        return columns_schema(self.recorded_columns)

    def manifest_batches(self, staging: Staging) -> Iterable[Mapping[str, Any]]:
        """Yield the rows of the manifest, column by column."""
        yield from added_batches(staging.added, self.extra_schema())

    def _wants_report(self) -> bool:
        if self.report not in (True, False):  # a method of this name would be left out of the digest of the code
            raise SettingsError(
                f"{type(self).__name__}.report is {self.report!r}, and says whether to write a report: "
                "set it to True or False, and give anything else another name"
            )
        return self.report

    def _write_report(self) -> None:
        """Write the page. The directory is published by now: what goes wrong with a page is no failure of the stage."""
        try:
            # A page shows a whole graph, so its room is above this one: the one thing that is looked up there.
            written = import_module("tintype.report").write_report(self)
        except Exception as error:  # noqa: BLE001, see above
            logger.warning(
                "%s: published, but its report was not written (%s: %s): mend that, and write it with tintype report",
                self.output(),
                type(error).__name__,
                error,
            )
        else:
            logger.info("%s: report at %s", self.output(), written.path)
            server = read_settings().reports_url
            page = f"{quote(written.path.parent.name)}/{written.path.name}"
            self._tell_where(written.path, None if server is None else f"{server.rstrip('/')}/{page}")

    def _tell_where(self, path: str | Path, url: str | None = None) -> None:
        """Have Luigi's tracking link lead to a directory or a page, by the URL that it is served at where it is."""
        set_tracking_url = getattr(self, "set_tracking_url", None)
        if set_tracking_url is not None:
            set_tracking_url(url or Path(os.path.abspath(path)).as_uri())
