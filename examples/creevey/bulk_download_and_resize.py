"""Download a list of images in one call, and resize them in another.

python bulk_download_and_resize.py [base URL]
"""

import os
import sys

from photo_server import serve_photographs  # type: ignore[import-not-found] # the file beside this one

from tintype import download_images_as_png, resize_multiple_files

download_dir = "example"
image_filenames = ["2RsJ8EQ", "2TqoToT", "2VocS58", "2scKPIp", "2TsO6Pc", "2SCv0q7"]

with serve_photographs(sys.argv[1:]) as base_url:
    image_urls = [f"{base_url}/{filename}" for filename in image_filenames]
    download_report = download_images_as_png(urls=image_urls, outdir=download_dir, n_jobs=3)

resized_dir = "example_resized"
image_paths = [os.path.join(download_dir, filename) for filename in os.listdir(download_dir)]
resize_report = resize_multiple_files(paths=image_paths, shape=(100, 100), outdir=resized_dir, n_jobs=3)

print(download_report.to_string())
print(resize_report.to_string())
