"""The same from a ready-made pipeline: only the ops are ours.

python ready_made_pipeline.py [base URL]
"""

import sys
from functools import partial

from photo_server import serve_photographs  # type: ignore[import-not-found] # the file beside this one

from tintype.ops import resize
from tintype.path_funcs import join_outdir_filename_extension
from tintype.pipelines import download_image_pipeline

trim_bottom_100 = lambda image: image[:-100, :]  # noqa: E731
resize_224 = partial(resize, shape=(224, 224))

trim_resize_pipeline = download_image_pipeline()
trim_resize_pipeline.ops = [trim_bottom_100, resize_224]

with serve_photographs(sys.argv[1:]) as base_url:
    image_filenames = ["2RsJ8EQ", "2TqoToT", "2VocS58", "2scKPIp", "2TsO6Pc", "2SCv0q7"]
    run_report = trim_resize_pipeline.run(
        inpaths=[f"{base_url}/{filename}" for filename in image_filenames],
        path_func=partial(join_outdir_filename_extension, outdir=".", extension=".png"),
        n_jobs=10,
        skip_existing=True,
        exceptions_to_catch=AttributeError,
    )

print(run_report.to_string())
