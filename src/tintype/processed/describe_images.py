"""DescribeImages: a table of the images above, one row an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tintype.errors import ManifestError
from tintype.load_funcs.image import load_image
from tintype.manifest.arrays import make_array
from tintype.manifest.schema import Status
from tintype.ops.statistics import mean_brightness, sharpness
from tintype.pipelines.core import Pipeline
from tintype.records import record
from tintype.settings import read_settings
from tintype.tasks.file_stage import FileStage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.targets.staging import Staging


class DescribeImages(FileStage):
    """Describe every image above: ``description.parquet`` and ``description.csv``, one row an image.

    The columns are ``path`` (relative to the stage above), what the image carries (its label, say), ``width`` and
    ``height`` in pixels, ``n_channels``, ``mean_brightness`` and ``sharpness``, see :mod:`tintype.ops`.
    """

    layer = "processed"
    recorded_columns = {
        "width": int,
        "height": int,
        "n_channels": int,
        "mean_brightness": float,
        "sharpness": float,
    }

    def pipeline(self) -> Pipeline:
        """Return the pipeline that loads an image and records its columns; it writes no file."""
        return Pipeline(
            load_func=partial(load_image, max_pixels=read_settings().max_image_pixels), ops=record_description
        )

    def build(self, staging: Staging) -> None:
        """Describe the images, then write both tables.

        Raises
        ------
        ManifestError
            When the images carry a column that the tables have for their own.
        """
        if "path" in self.extra_schema().names:
            raise ManifestError(
                "the column 'path' that the images carry has the name of a column of the tables: "
                "carry it under another name"
            )
        super().build(staging)
        names = {"description.parquet": write_parquet, "description.csv": write_csv}
        for name, write in names.items():
            write(staging.files / name, self._tables(staging), self._schema())
            staging.add(name)

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([pa.field("path", pa.string()), *self.extra_schema()])

    def _tables(self, staging: Staging) -> Iterator[pa.Table]:
        import pyarrow as pa

        schema = self._schema()
        for batch in self.file_batches(staging):
            values = [batch["inpath"], *(batch[name] for name in schema.names[1:])]
            arrays = [
                value if isinstance(value, pa.Array) else make_array(value, field.type)
                for field, value in zip(schema, values, strict=True)
            ]
            status = batch["status"]
            names = status.to_pylist() if isinstance(status, pa.Array) else status
            described = make_array([name == Status.RECORDED for name in names], pa.bool_())
            yield pa.Table.from_arrays(arrays, schema=schema).filter(described)


def record_description(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Record the size, brightness and sharpness of an image, and pass it on."""
    record(
        width=image.shape[1],
        height=image.shape[0],
        n_channels=1 if image.ndim == 2 else image.shape[2],
        mean_brightness=mean_brightness(image),
        sharpness=sharpness(image),
    )
    return image


def write_parquet(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of one schema to a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def write_csv(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of one schema to a CSV file, with a header even when there are no rows."""
    import pyarrow.csv

    with pyarrow.csv.CSVWriter(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
