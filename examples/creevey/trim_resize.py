"""Download images, trim 100 pixels off their bottom, resize them, and write them as PNG: ten at once.

python trim_resize.py [base URL]
"""

import sys
from functools import partial

from photo_server import serve_photographs  # type: ignore[import-not-found] # the file beside this one

from tintype import Pipeline
from tintype.load_funcs import load_image_from_url
from tintype.ops import resize
from tintype.path_funcs import join_outdir_filename_extension
from tintype.write_funcs import write_image

trim_bottom_100 = lambda image: image[:-100, :]  # noqa: E731
resize_224 = partial(resize, shape=(224, 224))

trim_resize_pipeline = Pipeline(
    load_func=load_image_from_url, ops=[trim_bottom_100, resize_224], write_func=write_image
)

with serve_photographs(sys.argv[1:]) as base_url:
    image_filenames = ["2RsJ8EQ", "2TqoToT", "2VocS58", "2scKPIp", "2TsO6Pc", "2SCv0q7"]
    image_urls = [f"{base_url}/{filename}" for filename in image_filenames]

    keep_filename_png_in_cwd = partial(join_outdir_filename_extension, outdir=".", extension=".png")
    run_report = trim_resize_pipeline.run(
        inpaths=image_urls,
        path_func=keep_filename_png_in_cwd,
        n_jobs=10,
        skip_existing=True,
        exceptions_to_catch=AttributeError,
    )

print(run_report.to_string())
