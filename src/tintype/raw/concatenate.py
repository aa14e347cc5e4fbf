"""Several raw directories as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from luigi.task import flatten

from tintype.errors import ManifestError, SettingsError
from tintype.pipelines.core import Pipeline
from tintype.raw.known_files import KnownFile, link_known_file
from tintype.targets.directory import DirectoryTarget
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import ROWS_PER_BATCH, InputRow, InputRows, RowBatch

if TYPE_CHECKING:
    import pyarrow as pa


class Concatenate(FileStage):
    """Bring several directories together as one: hard links, or copies across file systems.

    Require the stages to bring together. Every file keeps its columns, a column that its stage does not have is null,
    and ``source`` names the directory it comes from. Files go below a folder of that name; with
    ``prefix_paths = False`` they keep their paths, and two with one path are an error that names both. The files of a
    :class:`GivenFolder`, and symbolic links, are copied: what lies outside may change.

    Examples
    --------
    >>> import luigi
    >>> from tintype.raw import ImportFolder
    >>> class Cats(ImportFolder):
    ...     folder = luigi.Parameter(default="cats")
    >>> class Dogs(ImportFolder):
    ...     folder = luigi.Parameter(default="dogs")
    >>> class Pets(Concatenate):
    ...     def requires(self):
    ...         return [Cats(base_dir=self.base_dir), Dogs(base_dir=self.base_dir)]
    >>> Pets().output().path
    'data/raw/Pets'
    """

    layer = "raw"
    prefix_paths: bool = True
    """Put each file below a folder that has its source's name."""
    source_column: str = "source"
    """Name of the column that says where a file comes from."""

    def pipeline(self) -> Pipeline:
        """Return the pipeline that links one file."""
        return Pipeline(load_func=_as_it_is, write_func=link_known_file)

    def input_folder(self) -> str:
        """Return nothing: input paths say where they are."""
        return ""

    def rows(self) -> InputRows:
        """Return the files of every source, one source after the other."""
        return _SourceRows(self._sources(), self.source_column)

    def load_arguments(self, batch: RowBatch) -> Sequence[str] | None:
        """Return where each file is: a :class:`KnownFile` where it may be linked."""
        if batch.hidden is None:
            return None
        name = batch.carried.column(self.source_column)[0].as_py()
        target = self._sources()[name]
        folder = target.files_folder()
        files = [f"{folder}/{inpath.removeprefix(f'{name}/')}" for inpath in batch.inpaths]
        if folder != target.folder:
            return files
        digests, sizes = (batch.hidden.column(column).to_pylist() for column in ("digest", "size_bytes"))
        return [KnownFile(*known) for known in zip(files, digests, sizes, strict=True)]

    def outpath(self, row: InputRow) -> str:
        """Return where a file goes: its own path, below its source's name."""
        path = row.inpath.removeprefix(f"{row[self.source_column]}/")
        return f"{row[self.source_column]}/{path}" if self.prefix_paths else path

    def _sources(self) -> dict[str, DirectoryTarget]:
        sources: dict[str, DirectoryTarget] = {}
        for target in flatten(self.input()):
            if not isinstance(target, DirectoryTarget):
                raise SettingsError(f"{self.get_task_family()} requires {target}: let it require stages only")
            name = target.folder.name
            if name in sources:
                raise SettingsError(
                    f"{sources[name]} and {target} have one name, and so have no names to tell their files apart: "
                    "give one of the classes another name"
                )
            sources[name] = target
        if not sources:
            raise SettingsError(
                f"{self.get_task_family()} requires nothing: let it require the stages to bring together"
            )
        return sources


class _SourceRows(InputRows):
    """The files of several manifests, with the columns of all of them."""

    def __init__(self, sources: Mapping[str, DirectoryTarget], source_column: str) -> None:
        self._sources = sources
        self._column = source_column
        self._schema = unite_schemas(
            {name: target.manifest().extra_schema for name, target in sources.items()}, source_column
        )

    @property
    def carried_schema(self) -> pa.Schema:
        return self._schema

    def batches(self) -> Iterator[RowBatch]:
        """Yield the files of one source after the other."""
        start = 0
        for name, target in self._sources.items():
            for batch in target.manifest().batches(rows_per_batch=ROWS_PER_BATCH):
                batch = batch.filter(batch.column("outpath").is_valid())
                if batch.num_rows:
                    inpaths = [f"{name}/{path}" for path in batch.column("outpath").to_pylist()]
                    hidden = batch.select(["digest", "size_bytes"])
                    yield RowBatch(start, inpaths, batch.column("digest"), self._carried(name, batch), hidden)
                    start += batch.num_rows

    def _carried(self, name: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        arrays = []
        for field in self._schema:
            if field.name == self._column:
                arrays.append(pa.repeat(pa.scalar(name, pa.string()), batch.num_rows))
            elif field.name in batch.schema.names:
                arrays.append(batch.column(field.name))
            else:
                arrays.append(pa.nulls(batch.num_rows, field.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def unite_schemas(schemas: Mapping[str, pa.Schema], source_column: str) -> pa.Schema:
    """Return the columns of all sources, and the one that names the source.

    Raises
    ------
    ManifestError
        When a column has two types, or the name of the source's column.
    """
    import pyarrow as pa

    fields: dict[str, pa.Field] = {source_column: pa.field(source_column, pa.string())}
    first: dict[str, str] = {}
    for source, schema in schemas.items():
        if source_column in schema.names:
            raise ManifestError(
                f"{source} has a column {source_column!r} already: set source_column to another name for this one"
            )
        for field in schema:
            known = fields.setdefault(field.name, field)  # with its mark, where it does not count in a digest
            if known.type != field.type:
                raise ManifestError(
                    f"column {field.name!r} is {known.type} in {first[field.name]} and {field.type} in {source}: "
                    "declare it with one type"
                )
            first.setdefault(field.name, source)
    return pa.schema(fields.values())


def _as_it_is(file: str) -> str:
    return file
