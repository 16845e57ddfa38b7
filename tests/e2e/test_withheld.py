"""What the documents of a service tell to anybody, and what its contract tells to those who may read."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.support.api_keys import new_key
from tests.support.servers import Serve, run, without_coverage

ROWS = 240
LOANS = [f"LOAN-{n * 7919 % 100_003:06}" for n in range(ROWS)]
CITIES = [f"Quarter {n % 60:02}" for n in range(ROWS)]
ROW = {"loan": "LOAN-NEW", "customer": 5, "city": "Quarter 59", "plan": "basic", "amount": 12.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("withheld")


@pytest.fixture(scope="module")
def client(folder: Path, stores: dict[str, str], serve: Serve) -> Iterator[httpx.Client]:
    """A client without a key; a key for each of ``read`` and ``predict`` is in the folder."""
    frame = pd.DataFrame({"loan": LOANS, "customer": range(880_001, 880_001 + ROWS), "city": CITIES})
    frame = frame.assign(plan=["basic", "premium"] * (ROWS // 2), amount=[n / 4 for n in range(ROWS)])
    frame.assign(repaid=frame["amount"] > 30).to_csv(folder / "loans.csv", index=False)
    (folder / "decided.json").write_text(json.dumps({"features": {"plan": {"closed": True}}}))
    options = ["--data", "loans.csv", "--target", "repaid", "--name", "withheld"]
    options += ["--contract", "decided.json", "--keep", "loan", "customer"]
    run("-m", "tests.support.quick_training", *options, env=without_coverage(stores), cwd=folder)
    file = str(folder / "keys.json")
    for scope in ("read", "predict"):
        (folder / scope).write_text(new_key(folder / "keys.json", scope, scope))
    with httpx.Client(base_url=serve(model="withheld", TABENTO_API_KEYS_FILE=file).url, timeout=30) as client:
        yield client


def told(text: str) -> list[str]:
    """The values of identifiers that are in a text."""
    return [value for value in (*LOANS, *map(str, range(880_001, 880_001 + ROWS))) if value in text]


def key(folder: Path, scope: str) -> dict[str, str]:
    return {"authorization": f"Bearer {(folder / scope).read_text()}"}


def test_without_a_key_the_documents_tell_no_value_but_those_of_closed_categories(
    client: httpx.Client,
) -> None:
    for path in ("/docs.json", "/docs", "/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert told(answer.text) == []
        assert "Quarter" not in answer.text
    assert "premium" in client.get("/docs.json").text
    assert client.get("/model/info").status_code == 401


def test_with_a_key_the_contract_tells_some_categories_and_no_identifier(
    client: httpx.Client, folder: Path
) -> None:
    answer = client.get("/model/info", headers=key(folder, "read"))
    features = {feature["name"]: feature for feature in answer.json()["contract"]["features"]}
    assert told(answer.text) == []
    assert [name for name, feature in features.items() if feature["withheld"]] == ["loan", "customer"]
    assert (len(features["city"]["categories"]), features["city"]["categories_total"]) == (50, 60)
    assert features["plan"]["categories"] == ["basic", "premium"]
    example = {name: feature["example"] for name, feature in features.items()}
    predicted = client.post("/predict", json=example, headers=key(folder, "predict"))
    assert predicted.status_code == 200, predicted.text
    assert "flags" not in predicted.json()


def test_every_category_that_training_saw_is_known_and_a_new_identifier_is_no_news(
    client: httpx.Client, folder: Path
) -> None:
    headers = key(folder, "predict")
    assert "flags" not in client.post("/predict", json=ROW, headers=headers).json()
    new = client.post("/predict", json={**ROW, "city": "Quarter 60"}, headers=headers).json()
    assert new["flags"] == [{"row": 0, "feature": "city", "reason": "unknown_category"}]


def test_the_published_contract_golden_rows_and_profile_have_no_identifier(
    client: httpx.Client, stores: dict[str, str]
) -> None:
    assert client.get("/readyz").status_code == 200
    (published,) = (Path(stores["BENTOML_HOME"]) / "models" / "withheld").glob("*/")
    for name in ("contract.json", "golden.json", "model.yaml", "profile.json"):
        assert told((published / name).read_text()) == []
