"""A process that writes the log as a worker does: ``python appender.py DB NAME COUNT``.

Records are appended by twenty tasks at once; the id of each is written to stdout once it is committed.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from service.audit.write.audit_log import AuditLog
from tests.support.audit.logs import ANSWERED


async def append_all(log: AuditLog, name: str, count: int) -> None:
    ids = (f"{name}-{number}" for number in range(count))

    async def append_some() -> None:
        for request_id in ids:
            await log.append(replace(ANSWERED, request_id=request_id))
            sys.stdout.write(f"{request_id}\n")
            sys.stdout.flush()

    await asyncio.gather(*(append_some() for _ in range(20)))


if __name__ == "__main__":
    log = AuditLog.open(Path(sys.argv[1]))
    asyncio.run(append_all(log, sys.argv[2], int(sys.argv[3])))
    log.close()
