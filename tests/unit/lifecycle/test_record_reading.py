"""Records are read together as they are read one by one, whatever is among them."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.replay.reading.record_reading import RecordReading
from service.audit.file.logged_record import LoggedRecord
from service.routes import BATCH, PREDICT
from tests.support import animals

DOG: dict[str, Any] = dict(animals.DOG)
SINGLES = st.sampled_from(
    [
        json.dumps(DOG),
        json.dumps({**DOG, "weight": None}),
        json.dumps({**DOG, "legs": "four"}),
        json.dumps({**DOG, "wings": 2}),
        json.dumps({name: DOG[name] for name in list(DOG)[1:]}),
        "[]",
        "{",
        f"{json.dumps(DOG)},{json.dumps(DOG)}",
    ]
)
BATCHES = st.sampled_from([json.dumps({"instances": [DOG] * 2}), json.dumps({"instances": [DOG, {}]})])
BODIES = st.lists(
    st.one_of(st.tuples(st.just(PREDICT), SINGLES), st.tuples(st.just(BATCH), BATCHES)), max_size=40
)


def record(number: int, route: str, body: str) -> LoggedRecord:
    return LoggedRecord(
        id=number,
        request_id=f"r-{number}",
        received_utc="2026-07-04T09:30:00.000000Z",
        transport="http",
        route=route,
        status=200,
        duration_ms=1.0,
        rows=2 if route == BATCH else 1,
        request=body,
        cut_bytes=0,
        response="{}",
        flags=0,
        model_id="m",
        subject=None,
        has_content=1,
    )


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(bodies=BODIES)
def test_records_read_together_are_as_if_read_one_by_one(bodies: list[tuple[str, str]]) -> None:
    reading = RecordReading(animals.CONTRACT)
    records = [record(number, route, body) for number, (route, body) in enumerate(bodies)]
    together = reading.read(records)
    alone = [reading.read([each]) for each in records]
    assert [tuple(map(tuple, each.rows)) for each in together.read] == [
        tuple(map(tuple, each.rows)) for one in alone for each in one.read
    ]
    assert together.broken == [each for one in alone for each in one.broken]
    assert together.unreadable == sum(one.unreadable for one in alone)
    assert [each.record.id for each in together.read] == sorted(each.record.id for each in together.read)


def test_a_finding_names_its_feature_and_what_is_wrong() -> None:
    reading = RecordReading(animals.CONTRACT)
    (broken,) = reading.read(
        [record(1, BATCH, json.dumps({"instances": [DOG, {**DOG, "legs": 1.5}]}))]
    ).broken
    ((feature, message),) = broken.findings
    assert feature == "legs"
    assert message


def test_a_route_of_another_version_is_unreadable() -> None:
    assert RecordReading(animals.CONTRACT).read([record(1, "/predict/later", "{}")]).unreadable == 1
