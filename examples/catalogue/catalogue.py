"""A catalogue of fashion photographs: faces removed, resized, the background trimmed, split for training.

    LUIGI_CONFIG_PARSER=toml luigi --module catalogue Catalogue --local-scheduler

Every setting stands in ``luigi.toml``; on the command line another value can be given for once, as ``--max-side 224``.
"""

from functools import partial

import luigi

from tintype import Pipeline, interim, ops, processed, raw, record
from tintype.load_funcs import load_image_from_url
from tintype.load_funcs.http import FetchPolicy
from tintype.write_funcs import write_image


class Source(luigi.Task):
    """Where the list of URLs is, and how they are fetched."""

    urls = luigi.Parameter(default="catalogue.csv", description="a CSV, JSONL or Parquet file, or a database")
    query = luigi.OptionalParameter(default=None, description="what to select, when urls is an SQL database")
    collection = luigi.OptionalParameter(default=None, description="what to read, when urls is a MongoDB")
    timeout_seconds = luigi.FloatParameter(default=30.0, significant=False)
    max_attempts = luigi.IntParameter(default=4, significant=False)

    @property
    def policy(self):
        return FetchPolicy(deadline_seconds=self.timeout_seconds, max_attempts=self.max_attempts)


class Preparation(luigi.Task):
    """What is done to one photograph."""

    face_mode = luigi.ChoiceParameter(default="crop", choices=["crop", "blur", "pixelate", "mask", "keep"])
    face_pad = luigi.IntParameter(default=15, description="pixels around a face that go with it")
    max_side = luigi.IntParameter(default=448, description="longest side in pixels; 0 leaves the size as it is")
    trim = luigi.BoolParameter(default=True, parsing=luigi.BoolParameter.EXPLICIT_PARSING)
    trim_initial_variance = luigi.FloatParameter(default=250.0)
    trim_delta_variance = luigi.FloatParameter(default=25.0)
    trim_min_area_fraction = luigi.FloatParameter(default=0.25)

    def prepare(self, image):
        """Return the photograph without faces, no larger than is wanted, and without useless background."""
        if self.face_mode != "keep":
            boxes = ops.find_faces(image)
            record(n_faces=len(boxes))
            image = ops.remove_faces(image, self.face_mode, pad=self.face_pad, detector=lambda _: boxes)
        if self.max_side:
            image = ops.resize(image, max_side=self.max_side, only_if_bigger=True)
        if self.trim:
            image = ops.trim_background(
                image,
                initial_variance=self.trim_initial_variance,
                delta_variance=self.trim_delta_variance,
                min_area_fraction=self.trim_min_area_fraction,
            )
        return image


class Photos(Source, raw.DownloadFiles):  # type: ignore[misc, override] # parameters in place of attributes
    """The photographs, the bytes as they came."""

    path_template = "{retailer}/{id}{ext}"


class Prepared(Source, Preparation, interim.ImageStage):
    """Prepared photographs, from those that were kept raw."""

    recorded_columns = {"n_faces": int}

    def requires(self):
        return self.clone(Photos)

    def process(self, image):
        return self.prepare(image)


class PreparedAtOnce(Source, Preparation, raw.DownloadFiles):  # type: ignore[misc, override] # as above
    """Prepared photographs, of which nothing raw is kept: each is prepared while it is in memory."""

    layer = "interim"
    path_template = "{retailer}/{id}.jpg"
    recorded_columns = {**raw.DownloadFiles.recorded_columns, "n_faces": int}

    def pipeline(self):
        load = partial(load_image_from_url, policy=self.policy)
        return Pipeline(load_func=lambda source: load(source.url), ops=self.prepare, write_func=write_image)


class Catalogue(Source, Preparation, processed.SplitDataset):
    """The catalogue in parts, ``<part>/<label>/<file>``; the photographs of one product stay together."""

    store_raw = luigi.BoolParameter(default=True, parsing=luigi.BoolParameter.EXPLICIT_PARSING)
    valid_size = luigi.FloatParameter(default=0.2)

    label = "label"
    group = "product"

    def requires(self):
        return self.clone(Prepared if self.store_raw else PreparedAtOnce)
