"""Write the report of what make_report_rows.py published: run_report.py BASE_DIR."""

from __future__ import annotations

import json
import resource
import sys
from time import perf_counter, process_time

from report_stage import Products

from tintype.report import write_report

if __name__ == "__main__":
    wall, cpu = perf_counter(), process_time()
    report = write_report(Products(base_dir=sys.argv[1]))
    figures = {
        "wall_s": perf_counter() - wall,
        "cpu_s": process_time() - cpu,
        "page_mb": report.size_bytes / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))
