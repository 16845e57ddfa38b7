"""The tables of the file of monitoring.

There are no migrations. A file of another format is made again from the log.
"""

from service.monitoring.store.newest_assessment import ASSESSMENT_TABLE
from service.monitoring.store.newest_evidence import EVIDENCE_TABLE
from service.monitoring.store.release_tables import RELEASE_TABLES

APPLICATION_ID = int.from_bytes(b"Tbnm")
"""In the header of the file (``PRAGMA application_id``): distinguishes it from other SQLite databases."""

FORMAT = 2
"""Of the tables and of what they hold, in the header of the file (``PRAGMA user_version``)."""

TABLES = f"""{ASSESSMENT_TABLE}{EVIDENCE_TABLE}{RELEASE_TABLES}
CREATE TABLE position (
    log_id TEXT NOT NULL,                   -- of the log that was read
    slot_s INTEGER NOT NULL,                -- seconds of a slot
    upto_id INTEGER NOT NULL,               -- the last id of the log that was read
    request_id INTEGER NOT NULL,            -- id of the last record that was read, 0 for none
    request_hash BLOB NOT NULL,             -- its hash; another one shows that the log was replaced
    restores INTEGER NOT NULL,              -- times that the log was replaced by a backup of it
    served_tag TEXT NOT NULL,               -- the champion that came last: started, or in force; empty: none
    dropped INTEGER NOT NULL                -- waiting outcomes that were dropped, as there were too many
) STRICT;

CREATE TABLE model (
    model_id TEXT PRIMARY KEY,
    tag TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    files_id TEXT NOT NULL,                 -- the same for cards of the same published model
    classes_json TEXT NOT NULL,             -- label texts in class order
    contract_json TEXT,                     -- NULL: it is not measured
    profile_json TEXT,                      -- NULL: it is not measured
    reason TEXT NOT NULL,                   -- why it is not measured
    has_sample INTEGER NOT NULL,            -- 1: it has rows of the training table, for the nightly test
    predictions INTEGER NOT NULL,           -- records of it, measured or not
    unreadable INTEGER NOT NULL,            -- records of it that could not be read
    last_id INTEGER NOT NULL,               -- of the last entry of the log that named it
    two_sample_json TEXT                    -- the result of the last nightly test
) STRICT, WITHOUT ROWID;

CREATE TABLE slot (
    model_id TEXT NOT NULL,
    start_s INTEGER NOT NULL,               -- seconds since 1970, a multiple of slot_s
    counts BLOB NOT NULL,                   -- int64, little-endian, compressed (zlib); layout.py says of what
    PRIMARY KEY (model_id, start_s)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcome (
    request_id TEXT NOT NULL,
    row INTEGER NOT NULL,
    kind TEXT NOT NULL,                     -- truth, decision
    id INTEGER NOT NULL,                    -- of the record that counts: the newest
    label_json TEXT NOT NULL,
    first_s REAL NOT NULL,                  -- when the first of its records was received
    received_s REAL NOT NULL,               -- when the newest was
    state TEXT NOT NULL,                    -- new, matched, waiting, ambiguous, out_of_range, ...
    PRIMARY KEY (request_id, row, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX outcome_by_state ON outcome (state, id);

CREATE TABLE known_row (
    prediction INTEGER NOT NULL,            -- id of the record
    row INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    received_s REAL NOT NULL,               -- when the prediction was
    delay_s REAL,                           -- until the first outcome with the truth
    predicted INTEGER NOT NULL,             -- place of the class
    truth INTEGER,                          -- place of the class; NULL: not known
    decided INTEGER,                        -- place of the class; NULL: nobody decided
    confidence REAL,                        -- NULL: not known
    truth_probability REAL,                 -- NULL: the answer had no probabilities
    squares REAL,                           -- as above
    bins BLOB NOT NULL,                     -- a byte for each feature
    release_id TEXT,                        -- the release that assigned its model; NULL: none
    subject INTEGER,                        -- the first 8 bytes of the keyed hash of its person; NULL: none
    PRIMARY KEY (prediction, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_row_by_request_id ON known_row (request_id);
CREATE INDEX known_row_by_release ON known_row (release_id, prediction, row) WHERE release_id IS NOT NULL;
"""
