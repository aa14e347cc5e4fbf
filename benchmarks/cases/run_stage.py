"""Run a stage that does nothing over every row of a published manifest: run_stage.py BASE_DIR N_FILES [warm]."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path

from dataset import Nothing
from luigi.configuration import get_config
from usage import measured


def main(base_dir: str, n_files: int, *, warm: bool) -> None:
    get_config().set("tintype", "durable", "false")
    stage = Nothing(base_dir=base_dir, n_jobs=2)
    shutil.rmtree(Path(base_dir, "interim"), ignore_errors=True)
    if warm:  # what a run imports is then there before the clock starts
        for name in ("numpy", "pyarrow.compute", "pyarrow.parquet", "tintype.manifest.writer"):
            import_module(name)
    with measured(n_files):
        stage.run()
    stamp = stage.output().stamp()
    assert stamp is not None
    assert stamp.n_files == n_files


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), warm="warm" in sys.argv[3:])
