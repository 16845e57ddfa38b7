"""Log lines about a retention that cannot remove what is over the limits; each change is reported once."""

import logging
from collections.abc import Iterator
from pathlib import Path

from service.audit.keep.retention_state import NEAR, RetentionState

_FLOOR = "TABENTO_AUDIT_KEEP_AT_LEAST_DAYS"


def report_lines(path: Path, before: RetentionState, now: RetentionState) -> Iterator[tuple[int, str]]:
    """Level and text of each line that is due after a change."""
    if now.hold is not None and now.hold != before.hold:
        yield logging.WARNING, f"the audit log {path} is over its limits and nothing is removed: {now.hold}"
    if now.is_full and not before.is_full:
        yield (
            logging.ERROR,
            f"the audit log {path} has reached TABENTO_AUDIT_MAX_BYTES, and {_FLOOR} keeps all of its "
            "requests: no prediction is returned until some are old enough, or the limit is raised",
        )
    elif before.is_full and not now.is_full:
        yield logging.WARNING, f"the audit log {path} is below its limit again: predictions are returned"
    elif now.floor_share >= NEAR > before.floor_share:
        yield (
            logging.WARNING,
            f"requests that {_FLOOR} keeps take {now.floor_share:.0%} of TABENTO_AUDIT_MAX_BYTES of the "
            f"audit log {path}: at 100% no prediction is returned",
        )
