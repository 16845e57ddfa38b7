"""The tables of releases in the file of monitoring.

Sums are whole numbers of units, because sums of floating-point numbers depend on the order and the portions
in which the log was read.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SUM_UNIT = 2.0**-24
"""A stored sum is a number of these. Each summand is rounded to one, and 2e9 of the largest can be added."""

_LEAST_MS = 1e-3

RELEASE_TABLES = """
CREATE TABLE release (
    release_id TEXT PRIMARY KEY,
    begun_id INTEGER NOT NULL,              -- of the act by which it came into force first
    release_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE in_force (
    id INTEGER PRIMARY KEY,                 -- of the act: the records after it are of ...
    release_id TEXT NOT NULL                -- ... this release, up to the next act
) STRICT;

CREATE TABLE release_role (
    release_id TEXT NOT NULL,
    role TEXT NOT NULL,                     -- champion, challenger
    requests INTEGER NOT NULL,              -- answered; in shadow, of the challenger: predicted
    failed_requests INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    flagged_rows INTEGER NOT NULL,
    keys INTEGER NOT NULL,                  -- different keys that were assigned to it
    log_ms_sum INTEGER NOT NULL,
    log_ms_squares INTEGER NOT NULL,
    confidence_sum INTEGER NOT NULL,
    confidence_squares INTEGER NOT NULL,
    PRIMARY KEY (release_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE release_shadow (
    release_id TEXT PRIMARY KEY,
    requests INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    differing_rows INTEGER NOT NULL,
    confidence_difference_sum INTEGER NOT NULL,
    confidence_difference_squares INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE release_disagreement (
    release_id TEXT NOT NULL,
    champion TEXT NOT NULL,                 -- its label
    challenger TEXT NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (release_id, champion, challenger)
) STRICT, WITHOUT ROWID;

CREATE TABLE release_key (
    release_id TEXT NOT NULL,
    key INTEGER NOT NULL,                   -- the first 8 bytes of the keyed hash of a subject
    PRIMARY KEY (release_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE shadow_row (
    release_id TEXT NOT NULL,
    prediction INTEGER NOT NULL,            -- id of the champion's record
    row INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    predicted INTEGER NOT NULL,             -- place of the challenger's class
    confidence REAL NOT NULL,
    squares REAL NOT NULL,
    truth INTEGER NOT NULL,                 -- place of the class of which ...
    truth_probability REAL NOT NULL,        -- ... this is the challenger's probability
    PRIMARY KEY (release_id, prediction, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_row_by_request_id ON shadow_row (request_id);
"""


def in_units(values: NDArray[np.float64]) -> int:
    """The sum of numbers as it is stored."""
    return int(np.rint(values / SUM_UNIT).astype(np.int64).sum())


def log_ms(durations_ms: Sequence[float]) -> NDArray[np.float64]:
    """The natural logarithms of durations; those below a microsecond count as one."""
    return np.log(np.maximum(np.array(durations_ms, dtype=np.float64), _LEAST_MS))
