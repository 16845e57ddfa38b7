"""The tables of the log, as numbered migrations. A released one is never changed; the next is added below it.

``request`` has one row for each request, ``request_label`` one for each distinct label of a response, and
``request_facet`` one for each facet of a request (facet.py). The history is sorted by the time of receipt, so
every index that it walks has that time after its own key. Indexes that serve only answered requests are
partial, so a flood of refused requests does not slow the history down. ``chain`` has the writers, ``event``
what happened to the log itself, and ``ledger`` the acts (chain.py).
``tree_node`` and the tables after it hold the tree over all entries and its checkpoints (tree/, witness/).
``outcome`` has one row for each record of an outcome. All outcomes of a prediction have its request id, so
the index of request ids has the status before the time: the prediction is found without reading them.
"""

from collections.abc import Callable
from typing import NamedTuple

import apsw

from service.audit.file.upgrade import chain_older_records, state_upgrade


class Migration(NamedTuple):
    """One step from one schema to the next."""

    number: int
    name: str
    sql: str
    then: Callable[[apsw.Connection], None] | None = None
    """The part that SQL cannot do. It runs when the file has the tables of the latest schema."""


MIGRATIONS = (
    Migration(
        1,
        "requests and their labels",
        """
        CREATE TABLE request (
            id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order of commit; never given twice
            request_id TEXT NOT NULL,               -- the client's may repeat
            received_utc TEXT NOT NULL,             -- 2026-07-04T09:30:00.000000Z
            transport TEXT NOT NULL,
            route TEXT NOT NULL,
            status INTEGER NOT NULL,                -- 200 for an answered prediction, and for nothing else
            duration_ms REAL NOT NULL,
            client TEXT,
            model_name TEXT NOT NULL,
            model_version TEXT NOT NULL,
            rows INTEGER NOT NULL,
            request_json ANY NOT NULL,              -- BLOB where the body was not UTF-8, else TEXT
            request_cut_bytes INTEGER NOT NULL,     -- missing at the end of request_json; 0: it is whole
            response_json ANY NOT NULL
        ) STRICT;

        CREATE TABLE request_label (
            request INTEGER NOT NULL REFERENCES request (id),
            label TEXT NOT NULL,                    -- plain: setosa, 1, true
            label_type TEXT NOT NULL,               -- text, integer, boolean
            rows INTEGER NOT NULL,
            min_confidence REAL NOT NULL,
            max_confidence REAL NOT NULL,
            received_utc TEXT NOT NULL,             -- the request's, for the index below
            PRIMARY KEY (request, label, label_type)
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX request_by_request_id ON request (request_id, received_utc);
        CREATE INDEX answered_request ON request (received_utc) WHERE status = 200;
        CREATE INDEX answered_request_by_model ON request (model_name, received_utc) WHERE status = 200;
        CREATE INDEX request_by_label ON request_label (label, received_utc, request);
        """,
    ),
    Migration(
        2,
        "hash chains, facets of the history",
        """
        CREATE TABLE log (
            log_id TEXT NOT NULL                    -- random; an anchor names its log by it
        ) STRICT;
        INSERT INTO log VALUES (lower(hex(randomblob(16))));

        CREATE TABLE chain (
            id INTEGER PRIMARY KEY,                 -- in the order in which the writers began
            writer TEXT NOT NULL UNIQUE,            -- random name of one open log of one process
            started_utc TEXT NOT NULL,
            follows_seq INTEGER NOT NULL,           -- head of the chain before this one when it began
            follows_hash BLOB NOT NULL,
            head_seq INTEGER NOT NULL,              -- the last entry
            head_hash BLOB NOT NULL,
            base_seq INTEGER NOT NULL,              -- the last entry that was pruned, 0 for none
            base_hash BLOB NOT NULL
        ) STRICT;

        CREATE TABLE event (
            id INTEGER PRIMARY KEY,                 -- from the same sequence as those of requests
            chain INTEGER NOT NULL REFERENCES chain (id),
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,                     -- gap, redaction, prune, upgrade
            recorded_utc TEXT NOT NULL,
            request INTEGER,                        -- the id of the one that it is about
            detail_json TEXT NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
        CREATE INDEX event_by_request ON event (request) WHERE request IS NOT NULL;

        ALTER TABLE request ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;  -- values unlike those of training
        ALTER TABLE request ADD COLUMN key_name TEXT;  -- of the API key that was sent
        ALTER TABLE request ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;  -- of the writer; id in table chain
        ALTER TABLE request ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;  -- place in the chain, from 1
        ALTER TABLE request ADD COLUMN hash BLOB NOT NULL DEFAULT x'';  -- SHA-256, as chain.py says
        ALTER TABLE request ADD COLUMN salt BLOB;  -- of the content's hash; NULL: redacted
        ALTER TABLE request ADD COLUMN content_sha256 BLOB;  -- only of what was redacted

        DROP INDEX answered_request_by_model;
        DROP INDEX request_by_label;
        ALTER TABLE request_label DROP COLUMN received_utc;

        CREATE TABLE facet (
            id INTEGER PRIMARY KEY,
            label TEXT NOT NULL,
            label_type TEXT NOT NULL,
            model_name TEXT NOT NULL,
            flagged INTEGER NOT NULL,               -- 1: a value was unlike the training table's
            confidence_step INTEGER NOT NULL,       -- 190: exactly 0.95; 191: between 0.95 and 0.96
            UNIQUE (label, label_type, model_name, flagged, confidence_step)
        ) STRICT;
        CREATE TABLE request_facet (
            facet INTEGER NOT NULL REFERENCES facet (id),
            received_utc TEXT NOT NULL,             -- the request's
            request INTEGER NOT NULL REFERENCES request (id),
            PRIMARY KEY (facet, received_utc, request)
        ) STRICT, WITHOUT ROWID;

        CREATE VIEW prediction AS
            SELECT r.id, r.request_id, r.received_utc, r.transport, r.route, r.duration_ms, r.client,
                   r.model_name, r.model_version, l.label, l.rows, l.min_confidence, l.max_confidence,
                   r.flags, r.key_name, r.request_json, r.response_json
            FROM request AS r JOIN request_label AS l ON l.request = r.id WHERE r.status = 200;
        CREATE VIEW refusal AS
            SELECT id, request_id, received_utc, transport, route, status, duration_ms, client, key_name,
                   request_json, request_cut_bytes, response_json
            FROM request WHERE status <> 200;
        CREATE VIEW gap AS
            SELECT id, recorded_utc, json_extract(detail_json, '$.records') AS records,
                   json_extract(detail_json, '$.first_received_utc') AS first_received_utc,
                   json_extract(detail_json, '$.last_received_utc') AS last_received_utc
            FROM event WHERE kind = 'gap';
        """,
        chain_older_records,
    ),
    Migration(
        3,
        "models, subjects, the ledger, the tree",
        """
        ALTER TABLE log ADD COLUMN ledger_seq INTEGER NOT NULL DEFAULT 0;  -- the last act
        ALTER TABLE log ADD COLUMN ledger_hash BLOB NOT NULL DEFAULT x'';  -- its hash; empty: none
        ALTER TABLE log ADD COLUMN ledger_bytes INTEGER NOT NULL DEFAULT 0;  -- what its acts take, about

        CREATE TABLE ledger (
            id INTEGER PRIMARY KEY,                 -- from the same sequence as those of requests
            seq INTEGER NOT NULL UNIQUE,            -- place in the ledger, from 1
            act_id TEXT NOT NULL UNIQUE,            -- random; of a model, model:MODEL_ID
            recorded_utc TEXT NOT NULL,             -- when it was done
            kind TEXT NOT NULL,                     -- model, start, redaction, prune, read, key, ...
            actor TEXT NOT NULL,                    -- name of the key, or claimed at a shell; else the kind
            actor_kind TEXT NOT NULL,               -- key, shell, service, anonymous
            system_user TEXT,                       -- account of the process at a shell
            reason TEXT,                            -- as it was given
            request INTEGER,                        -- the id of the one that it is about
            subject TEXT,                           -- keyed hash of the person that it is about
            detail_json TEXT NOT NULL,              -- the facts of this kind of act
            hash BLOB NOT NULL                      -- SHA-256, as chain.py says
        ) STRICT;
        CREATE INDEX act_by_kind ON ledger (kind, id);
        CREATE INDEX act_by_request ON ledger (request) WHERE request IS NOT NULL;

        ALTER TABLE chain ADD COLUMN format INTEGER NOT NULL DEFAULT 1;  -- of the hashes, as chain.py says
        ALTER TABLE chain ADD COLUMN ledger_seq INTEGER NOT NULL DEFAULT 0;  -- head of the ledger then
        ALTER TABLE chain ADD COLUMN ledger_hash BLOB NOT NULL DEFAULT x'';  -- hash of that act

        ALTER TABLE request ADD COLUMN model_id TEXT NOT NULL DEFAULT '';  -- of its card; empty: not known
        ALTER TABLE request ADD COLUMN subject TEXT;  -- keyed hash of the person that it is about
        CREATE INDEX request_by_subject ON request (subject) WHERE subject IS NOT NULL;

        CREATE TABLE tree_node (
            level INTEGER NOT NULL,                 -- 1: over 256 entries; 2: over 256 nodes of level 1; ...
            number INTEGER NOT NULL,                -- place among the nodes of its level, from 0
            first_id INTEGER NOT NULL,              -- of the first entry below it
            last_id INTEGER NOT NULL,               -- of the last entry below it
            hash BLOB NOT NULL,                     -- of the subtree, as tree/merkle.py says
            PRIMARY KEY (level, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tree_node_by_entry ON tree_node (level, last_id);
        CREATE TABLE pruned_leaf (
            id INTEGER PRIMARY KEY,                 -- of an entry that was pruned, until its tile is folded
            hash BLOB NOT NULL                      -- of the entry
        ) STRICT;
        CREATE TABLE pruned_node (
            tile INTEGER NOT NULL,                  -- number of the node of level 1 above it
            position INTEGER NOT NULL,              -- of its first leaf in the tile, from 0
            height INTEGER NOT NULL,                -- it is over 2^height pruned entries
            hash BLOB NOT NULL,                     -- of the subtree
            PRIMARY KEY (tile, position)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE checkpoint (
            size INTEGER PRIMARY KEY,               -- number of entries that it covers
            root BLOB NOT NULL,                     -- hash of the tree over them
            taken_utc TEXT NOT NULL,                -- as signed, in whole seconds
            confirmed_utc TEXT NOT NULL,            -- when there was last nothing newer to cover
            verifier_key TEXT NOT NULL,             -- of the signatures, as C2SP signed-note writes it
            note TEXT NOT NULL                      -- the C2SP checkpoint with its signatures
        ) STRICT;
        CREATE TABLE witnessed (
            witness TEXT NOT NULL,                  -- as in TABENTO_AUDIT_WITNESS
            size INTEGER NOT NULL,                  -- of the checkpoint
            witnessed_utc TEXT NOT NULL,            -- when the witness had taken it
            token BLOB,                             -- the time-stamp, of a time-stamp server
            PRIMARY KEY (witness, size)
        ) STRICT, WITHOUT ROWID;

        DROP VIEW prediction;
        CREATE VIEW prediction AS
            SELECT r.id, r.request_id, r.received_utc, r.transport, r.route, r.duration_ms, r.client,
                   r.model_name, r.model_version, r.model_id, l.label, l.rows, l.min_confidence,
                   l.max_confidence, r.flags, r.key_name, r.subject, r.request_json, r.response_json
            FROM request AS r JOIN request_label AS l ON l.request = r.id WHERE r.status = 200;
        CREATE VIEW model AS
            SELECT substr(act_id, 7) AS model_id, recorded_utc, detail_json AS card_json
            FROM ledger WHERE kind = 'model';
        """,
        state_upgrade,
    ),
    Migration(
        4,
        "outcomes of predictions",
        """
        CREATE TABLE outcome (
            request INTEGER PRIMARY KEY REFERENCES request (id),  -- id of the record of the outcome
            request_id TEXT NOT NULL,               -- of the prediction that it is about
            row INTEGER NOT NULL,                   -- index of the row in the prediction, from 0
            kind TEXT NOT NULL,                     -- truth, or decision of a person
            label TEXT NOT NULL,                    -- plain: setosa, 1, true
            label_type TEXT NOT NULL,               -- text, integer, boolean
            observed_utc TEXT,                      -- when it became known, as the sender says
            source TEXT,                            -- where the label comes from
            reviewer TEXT,                          -- who decided
            reason_code TEXT                        -- why, as a code of the sender
        ) STRICT;
        CREATE INDEX newest_outcome ON outcome (request_id, row, kind, request DESC);

        DROP INDEX request_by_request_id;
        CREATE INDEX request_by_request_id ON request (request_id, status, received_utc);

        DROP VIEW refusal;
        CREATE VIEW refusal AS
            SELECT id, request_id, received_utc, transport, route, status, duration_ms, client, key_name,
                   request_json, request_cut_bytes, response_json
            FROM request WHERE status NOT IN (200, 201);
        CREATE VIEW feedback AS
            SELECT o.request AS id, r.received_utc, o.request_id, o.row, o.kind, o.label, o.label_type,
                   o.observed_utc, o.source, o.reviewer, o.reason_code, r.key_name, p.id AS prediction,
                   p.received_utc AS predicted_utc, p.model_id, CASE
                       WHEN p.rows = 1 THEN (SELECT label FROM request_label WHERE request = p.id)
                       WHEN p.route = '/predict/batch' AND json_valid(p.response_json) THEN
                           CASE json_type(p.response_json, '$.predictions[' || o.row || ']')
                               WHEN 'true' THEN 'true'
                               WHEN 'false' THEN 'false'
                               ELSE json_extract(p.response_json, '$.predictions[' || o.row || ']')
                           END
                   END AS predicted_label
            FROM outcome AS o JOIN request AS r ON r.id = o.request
            LEFT JOIN request AS p ON p.request_id = o.request_id AND p.status = 200
            WHERE o.request = (SELECT n.request FROM outcome AS n
                               WHERE (n.request_id, n.row, n.kind) = (o.request_id, o.row, o.kind)
                               ORDER BY n.request DESC LIMIT 1);
        """,
    ),
)
