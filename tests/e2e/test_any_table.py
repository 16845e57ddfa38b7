"""A table of every column type, with gaps, goes the whole way that Iris goes."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.support.monitored_traffic import assessment_at, await_next_slot, await_windows, instances
from tests.support.servers import Serve, run, without_coverage

N_ROWS = 300
SLOT_S = 2
SHORT_WINDOWS = {
    "TABENTO_MONITORING_WINDOW_SECONDS": str(SLOT_S),
    "TABENTO_MONITORING_WINDOW_ROWS": str(N_ROWS),
}


def make_table() -> pd.DataFrame:
    """Loans: whether one is repaid depends on income, region and the number of late payments."""
    rng = np.random.default_rng(5)
    income = rng.gamma(4, 900, N_ROWS).round(2)
    late = rng.poisson(1.2, N_ROWS)
    region = rng.choice(["north", "south", "east"], N_ROWS)
    owner = rng.random(N_ROWS) < 0.4
    score = income / 1000 - 1.5 * late + (region == "north") * 1.5 + owner + rng.normal(0, 0.7, N_ROWS)
    table = pd.DataFrame(
        {
            "income (EUR)": income,
            "late payments": late.astype(object),
            "region": region.astype(object),
            "home owner": owner.astype(object),
            "repaid": score > 1,
        }
    )
    for column in ("income (EUR)", "late payments", "region", "home owner"):
        table.loc[rng.random(N_ROWS) < 0.05, column] = None
    return table


@pytest.fixture(scope="module")
def loans(
    stores: dict[str, str], serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("loans")
    make_table().to_csv(folder / "loans.csv", index=False)
    overrides = {"features": {"income (EUR)": {"unit": "EUR", "minimum": 0}}}
    (folder / "overrides.json").write_text(json.dumps(overrides))
    options = ["--data", "loans.csv", "--target", "repaid", "--name", "loans", "--contract", "overrides.json"]
    run("-m", "tests.support.quick_training", *options, env=without_coverage(stores), cwd=folder)
    with httpx.Client(base_url=serve(model="loans", **SHORT_WINDOWS).url, timeout=60) as client:
        yield client


ROW: dict[str, Any] = {"income (EUR)": 3600.5, "late payments": 0, "region": "north", "home owner": True}


def test_the_contract_has_every_column_as_it_is(loans: httpx.Client) -> None:
    info = loans.get("/model/info").json()
    features = {feature["name"]: feature for feature in info["contract"]["features"]}
    assert {name: (feature["type"], feature["nullable"]) for name, feature in features.items()} == {
        "income (EUR)": ("float", True),
        "late payments": ("integer", True),
        "region": ("category", True),
        "home owner": ("boolean", True),
    }
    assert features["region"]["categories"] == ["east", "north", "south"]
    assert (features["income (EUR)"]["unit"], features["income (EUR)"]["minimum"]) == ("EUR", 0)
    assert info["classes"] == [False, True]


def test_labels_keep_their_type(loans: httpx.Client) -> None:
    poor = {**ROW, "income (EUR)": 900, "late payments": 4, "region": "south", "home owner": False}
    answer = loans.post("/predict/batch", json={"instances": [ROW, poor]}).json()
    assert answer["predictions"] == [True, False]
    assert "flags" not in answer


def test_a_missing_value_is_predicted(loans: httpx.Client) -> None:
    for name in ROW:
        answer = loans.post("/predict", json={**ROW, name: None})
        assert answer.status_code == 200, answer.text
    assert loans.post("/predict", json=dict.fromkeys(ROW)).status_code == 200


def test_an_unknown_category_is_predicted_and_flagged(loans: httpx.Client) -> None:
    answer = loans.post("/predict", json={**ROW, "region": "west"}).json()
    assert answer["flags"] == [{"row": 0, "feature": "region", "reason": "unknown_category"}]


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"income (EUR)": -1}, "income (EUR)"),
        ({"late payments": 1.5}, "late payments"),
        ({"home owner": "yes"}, "home owner"),
        ({"region": 3}, "region"),
    ],
)
def test_a_value_that_breaks_the_contract_is_refused(
    loans: httpx.Client, change: dict[str, Any], loc: str
) -> None:
    answer = loans.post("/predict", json={**ROW, **change})
    assert answer.status_code == 422
    assert [finding["loc"] for finding in answer.json()["errors"]] == [[loc]]


def test_the_history_finds_labels_that_are_no_text(loans: httpx.Client) -> None:
    loans.post("/predict", json=ROW)
    items = loans.get("/predictions/history", params={"label": "true"}).json()["items"]
    assert items
    assert all(True in item["response"]["predictions"] for item in items)


def test_a_renamed_category_and_more_gaps_raise_an_alarm_that_names_them(loans: httpx.Client) -> None:
    table = make_table().drop(columns="repaid")
    changed = table.assign(region=table["region"].replace("north", "North"))
    changed.loc[np.random.default_rng(6).random(N_ROWS) < 0.3, "home owner"] = None
    for number, sent in enumerate([table, table, changed, changed]):
        await_next_slot(SLOT_S)
        answer = loans.post("/predict/batch", json={"instances": instances(sent)})
        assert answer.status_code == 200, answer.text
        await_windows(str(loans.base_url), number + 1)
    found = assessment_at(str(loans.base_url))
    alarms = "; ".join(found["alarms"])
    drifting = {
        (column["column"], column["aspect"]) for column in found["drift"] if column["verdict"] == "drifting"
    }
    assert drifting == {
        ("region", "values"),
        ("region", "unknown_categories"),
        ("home owner", "missing"),
    } | {(column, "values") for column in ("prediction", "confidence") if (column, "values") in drifting}
    assert "unknown" in alarms
    assert "missing, in training" in alarms
