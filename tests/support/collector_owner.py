"""``python -m tests.support.collector_owner DB MODELS`` runs a collector as a worker does, until it is ended.

It prints the id of the collector's process each time that it changes.
"""

import sys
import time
from pathlib import Path

from service.worker.collector_run import CollectorRun

if __name__ == "__main__":
    run = CollectorRun(Path(sys.argv[1]), Path(sys.argv[2]), first_delay_s=0)
    last = None
    while True:
        run.refresh()
        if run.pid is not None and run.pid != last:
            last = run.pid
            sys.stdout.write(f"{last}\n")
            sys.stdout.flush()
        time.sleep(0.1)
