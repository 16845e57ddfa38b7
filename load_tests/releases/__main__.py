"""``make bench-releases``: false promotions, false rollbacks and labels needed, on simulated releases.

The figures are written to ``releases.md`` and ``releases.json`` in ``load_tests/results``. Exits with 0 if no
objective is missed, and with 1 otherwise.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.releases.made_releases import cases
from load_tests.releases.release_rows import ReleaseRow, release_row
from load_tests.releases.releases_report import as_data, as_markdown, verdicts


def main() -> int:
    """Simulate everything and write the report."""
    options = _parser().parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        rows = _rows(pool, options.releases)
    report = {**provenance(), "command": "python -m load_tests.releases", **as_data(rows)}
    return write_report("releases", report, as_markdown(report, rows), verdicts(rows), options.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.releases", description=__doc__)
    parser.add_argument("--releases", type=int, default=2_000, help="releases of each kind")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser


def _rows(pool: ProcessPoolExecutor, releases: int) -> list[ReleaseRow]:
    pending = [pool.submit(release_row, seed, case, releases) for seed, case in enumerate(cases())]
    rows = []
    for each in pending:
        rows.append(each.result())
        sys.stderr.write(f"{rows[-1]}\n")
    return rows


if __name__ == "__main__":
    sys.exit(main())
