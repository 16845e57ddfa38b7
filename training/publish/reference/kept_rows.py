"""Rows of the table that go with the model, only where ``--keep-sample`` says so.

The nightly two-sample test of monitoring compares them with what the service receives. They may be data of
persons, so a model has none by default. Columns that the contract withholds are left out.
"""

import numpy as np

from service.model.contract import Contract
from service.model.training_profile import TrainingSample
from training.publish.golden_rows import json_rows
from training.table.dataset import Split
from training.table.portion import take

MOST_ROWS = 2_000


def keep_rows(contract: Contract, split: Split, seed: int) -> TrainingSample | None:
    """At most 2,000 random rows of both portions; None if every feature is withheld."""
    shown = [feature.name for feature in contract.features if not feature.withheld]
    if not shown:
        return None
    n_train = len(split.train.labels)
    n_rows = n_train + len(split.test.labels)
    places = np.random.default_rng(seed).permutation(n_rows)[:MOST_ROWS]
    chosen = (
        take(split.train.matrix, places[places < n_train]),
        take(split.test.matrix, places[places >= n_train] - n_train),
    )
    rows = [row for portion in chosen for row in json_rows(contract, np.asarray(portion))]
    return TrainingSample(rows=tuple({name: row[name] for name in shown} for row in rows))
