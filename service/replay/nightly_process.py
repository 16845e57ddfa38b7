"""The process of the nightly replay: ``python -m service.replay.nightly_process LOG SAMPLE MODELS``.

A worker starts it with the lowest priority. It replays a random sample of the records of the last day, stops
after a limit of time, and writes the result beside the log (nightly_result.py). It holds the lock that it was
started with until it ends.
"""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from time import monotonic

from service.audit.utc_text import utc_text
from service.errors import StartError
from service.replay.nightly_result import NightlyResult, write_result
from service.replay.recorded import RecordedLog
from service.replay.replay_run import Replay, Task
from service.replay.verdict import FAILURES, Verdict

LIMIT_S = 600.0
"""The longest time that a nightly replay takes, except for the chunk of records in progress then."""
_NICENESS = 19
"""The lowest priority."""
_PERIOD = timedelta(days=1)
_FEW_RECORDS = 1_000
"""Records between two looks at the clock."""


def replay_sample(log: Path, sample: int, folder: Path, *, limit_s: float = LIMIT_S) -> NightlyResult:
    """Replay a random sample of the last day's records; raises AuditUnusable."""
    since = datetime.now(UTC) - _PERIOD
    seed = SystemRandom().randrange(2**32)
    task = Task(log, utc_text(since), (folder,), wants_all=False)
    with closing(RecordedLog(log, task.since_utc)) as recorded:
        chosen = recorded.sample(sample, seed)
    run = Replay(task, until=monotonic() + limit_s, part_records=_FEW_RECORDS)
    for _ in run.outcomes(chosen):
        pass
    return NightlyResult(
        finished_utc=datetime.now(UTC),
        seed=seed,
        since_utc=since,
        is_complete=run.is_complete,
        counts={verdict: run.counts[verdict] for verdict in Verdict},
    )


def main() -> int:
    """Replay, and write the result."""
    log, sample, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    os.nice(_NICENESS)
    try:
        result = replay_sample(log, sample, folder)
        write_result(log, result)
    except (StartError, OSError) as error:
        sys.stderr.write(f"The nightly replay failed: {error}\n")
        return 1
    failed = sum(result.counts[verdict] for verdict in FAILURES)
    if failed:
        again = f"--sample {sample} --seed {result.seed} --since {utc_text(result.since_utc)}"
        sys.stderr.write(
            f"The nightly replay found {failed} records whose answer differs or whose model is missing: "
            f"python -m service.audit --db {log} replay {again}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
