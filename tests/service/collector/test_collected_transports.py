"""A row counts the same by whatever transport it came."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from service.collector.collecting import Collector
from service.model.published import load_model
from service.monitoring.counting.row_counter import CountedRows, RowCounter
from service.monitoring.layout import Counts, Layout
from tests.support.collected_logs import rows_of
from tests.support.profiled_models import publish_profiled
from tests.support.servers import Serve
from tests.support.stores import opened_store
from tests.support.transports import Answered, Row, Transports, columns, json_data
from training.table.dataset import Dataset

YEARS_S = 10**9


class Served(NamedTuple):
    """A served model and its table."""

    transports: Transports
    dataset: Dataset
    log: Path
    stores: dict[str, str]
    tag: str

    def counts(self, db: Path) -> Counts:
        """All that the log has now, counted."""
        with opened_store(self.stores), closing(Collector(self.log, db, slot_s=YEARS_S)) as collector:
            while collector.step():
                pass
            facts = collector.store.served_model()
            assert facts is not None
            assert facts.is_measured, facts.reason
            slots = collector.store.slots(facts.model_id)
            assert facts.unreadable == 0
            profile = collector.store.profile(facts.model_id)
        assert profile is not None
        return sum((slot.counts for slot in slots), Layout(profile).zeros())


@pytest.fixture(scope="module", params=["mixed", "visits"])
def served(
    request: pytest.FixtureRequest,
    serve: Serve,
    stores: dict[str, str],
    mixed_dataset: Dataset,
    visits_dataset: Dataset,
) -> Iterator[Served]:
    name = f"counted_{request.param}"
    dataset = {"mixed": mixed_dataset, "visits": visits_dataset}[request.param]
    with opened_store(stores):
        tag = publish_profiled(dataset, name)
    server = serve(model=tag, with_grpc=True, TABENTO_MONITORING="off")
    with closing(Transports(server, dataset.contract, name)) as transports:
        transports.native(rows_of(dataset)[:1])  # The log names a model from its first prediction on.
        yield Served(transports, dataset, server.audit_db, stores, tag)


def direct(served: Served, rows: Sequence[Row], answer: Answered) -> Counts:
    """The counts of rows and their answer, without a record."""
    with opened_store(served.stores):
        model = load_model(served.tag)
    assert model.profile is not None
    counter = RowCounter(model.contract, model.profile, YEARS_S)
    probabilities: NDArray[np.float64] = np.array(answer.probabilities)
    values = [[row[feature.name] for row in rows] for feature in model.contract.features]
    (slot,) = counter.count(
        CountedRows(np.zeros(len(rows)), values, probabilities.argmax(axis=1), probabilities.max(axis=1))
    )
    return slot.counts


def test_rows_count_the_same_by_every_transport(served: Served, tmp_path: Path) -> None:
    rows = rows_of(served.dataset)[:40]
    before = served.counts(tmp_path / "monitoring.db")
    for ask in served.transports.all():
        answer = ask(rows)
        after = served.counts(tmp_path / "monitoring.db")
        assert (after - before).tolist() == direct(served, rows, answer).tolist(), ask
        before = after


def test_single_rows_count_as_a_batch_of_them(served: Served, tmp_path: Path) -> None:
    rows = rows_of(served.dataset)[40:60]
    before = served.counts(tmp_path / "monitoring.db")
    for row in rows:
        given = {name: value for name, value in row.items() if value is not None}
        served.transports.client.post("/predict", json=given).raise_for_status()
    singly = served.counts(tmp_path / "monitoring.db")
    served.transports.native(rows)
    together = served.counts(tmp_path / "monitoring.db")
    assert (singly - before).tolist() == (together - singly).tolist()


def test_an_answer_of_labels_alone_counts_without_confidences(served: Served, tmp_path: Path) -> None:
    rows = rows_of(served.dataset)[:10]
    with opened_store(served.stores):
        model = load_model(served.tag)
    assert model.profile is not None
    layout = Layout(model.profile)
    before = served.counts(tmp_path / "monitoring.db")
    served.transports.native(rows)
    between = served.counts(tmp_path / "monitoring.db")
    inputs = [
        {"name": name, "datatype": of, "shape": [len(rows)], "data": json_data(values, of)}
        for name, of, values in columns(served.dataset.contract, rows)
    ]
    asked = {"inputs": inputs, "outputs": [{"name": "label"}]}
    served.transports.client.post(served.transports.path, json=asked).raise_for_status()
    after = served.counts(tmp_path / "monitoring.db")
    expected = between - before
    expected[layout.confidences] = expected[layout.calibration] = 0
    assert (after - between).tolist() == expected.tolist()


def test_refused_requests_do_not_count(served: Served, tmp_path: Path) -> None:
    before = served.counts(tmp_path / "monitoring.db")
    assert served.transports.client.post("/predict", json={"unknown": 1}).status_code == 422
    assert served.counts(tmp_path / "monitoring.db").tolist() == before.tolist()
