"""Record each image's mean brightness while it is open, to find the washed-out ones later.

python custom_report.py [base URL]
"""

import sys
from functools import partial

from photo_server import serve_photographs  # type: ignore[import-not-found] # the file beside this one

from tintype import CustomReportingPipeline
from tintype.load_funcs import load_image_from_url
from tintype.ops import mean_brightness, resize
from tintype.path_funcs import join_outdir_filename_extension
from tintype.write_funcs import write_image


def record_mean_brightness(image, inpath, log_dict):
    log_dict[inpath]["mean_brightness"] = mean_brightness(image)
    return image


def trim_bottom_100(image, **kwargs):
    return image[:-100, :]


pipeline = CustomReportingPipeline(
    load_func=load_image_from_url,
    ops=[trim_bottom_100, partial(resize, shape=(224, 224)), record_mean_brightness],
    write_func=write_image,
)

with serve_photographs(sys.argv[1:]) as base_url:
    image_filenames = ["2RsJ8EQ", "2TqoToT", "2VocS58", "2scKPIp", "2TsO6Pc", "2SCv0q7"]
    run_report = pipeline.run(
        inpaths=[f"{base_url}/{filename}" for filename in image_filenames],
        path_func=partial(join_outdir_filename_extension, outdir=".", extension=".png"),
        n_jobs=10,
        skip_existing=True,
    )

print(run_report.drop(columns=["seconds", "time_finished"]).to_string())
