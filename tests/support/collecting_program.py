"""``python -m tests.support.collecting_program LOG DB CHUNK`` reads a log into a file of monitoring."""

import sys
from pathlib import Path

from service.collector.collecting import Collector

if __name__ == "__main__":
    collector = Collector(Path(sys.argv[1]), Path(sys.argv[2]), chunk_records=int(sys.argv[3]))
    while collector.step():
        pass
