"""Publish a directory of rows for the other cases: make_dataset.py BASE_DIR N_ROWS [stage]."""

from __future__ import annotations

import sys

from dataset import Nothing, Photos, publish_rows

if __name__ == "__main__":
    publish_rows(Photos(base_dir=sys.argv[1]), int(sys.argv[2]))
    if "stage" in sys.argv[3:]:  # the stage below too, as if it had been built
        publish_rows(Nothing(base_dir=sys.argv[1]), int(sys.argv[2]))
