"""Small models of the tests' own making, published by the real publication."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from service.model.contract import Contract, Feature, Target
from service.model.published import Golden, Lineage
from tests.support.animals import CONTRACT
from tests.support.tables import load_iris
from training.candidates.built_in import CANDIDATES
from training.candidates.row_preparation import one_hot
from training.compile.compilation import compile_champion
from training.publish.golden_rows import golden_rows
from training.publish.publication import publish
from training.table.dataset import Dataset


def lineage_of(name: str) -> Lineage:
    return Lineage(
        model_name=f"{name}_logistic_regression",
        model_version="1",
        registered_model=name,
        candidate="logistic_regression",
        alias="champion",
        run_id="0" * 32,
        experiment=name,
        trained_utc="2026-01-01T00:00:00+00:00",
        seed=42,
        data_name=f"{name}.csv",
        data_sha256="0" * 64,
        data_rows=4,
        metrics={"test_accuracy": 1.0},
        libraries={},
    )


def publish_picky(name: str, champion: str | None = None) -> str:
    """Publish a model that fails on every row whose letter it does not know; gives the tag.

    It is the champion, unless the champion's tag is given.
    """
    rows: NDArray[np.object_] = np.array([["a"], ["b"], ["a"], ["b"]], dtype=object)
    encoder = OneHotEncoder(handle_unknown="error", sparse_output=False)
    pipeline: Pipeline = make_pipeline(encoder, LogisticRegression())
    pipeline.fit(rows, np.array(["A", "B", "A", "B"]))
    contract = Contract(
        features=(Feature(name="letter", type="category", categories=("a", "b")),),
        target=Target(name="capital", type="text", classes=("A", "B")),
    )
    golden = Golden(
        rows=[{"letter": "a"}, {"letter": "b"}], probabilities=pipeline.predict_proba(rows[:2]).tolist()
    )
    lineage = lineage_of(name)
    if champion is not None:
        lineage = lineage.model_copy(update={"alias": None})
    return publish(pipeline, contract, golden, lineage, is_champion=champion is None, champion=champion)


def publish_compiled() -> str:
    """Publish a logistic regression of the Iris table with its compiled form; gives the tag."""
    return _publish_compiled(load_iris(), "flowers")


def publish_visits(dataset: Dataset) -> str:
    """Publish a logistic regression of a table with dates with its compiled form; gives the tag."""
    return _publish_compiled(dataset, "visits")


def _publish_compiled(dataset: Dataset, name: str) -> str:
    contract, train = dataset.contract, dataset.split(0.2, 42).train
    pipeline = CANDIDATES[0].pipeline(contract, 42).fit(train.matrix, train.labels)
    compilation, accepted = compile_champion(pipeline, contract, train.matrix, 42)
    assert accepted
    golden = golden_rows(pipeline, contract, train.matrix, accepted.form)
    lineage = lineage_of(name).model_copy(update={"compilation": compilation})
    return publish(pipeline, contract, golden, lineage, accepted.graph)


def publish_animals(
    name: str = "animals", *, is_contrary: bool = False, version: str = "1", champion: str | None = None
) -> str:
    """Publish a model with features of every type in the store of this process; gives the tag.

    A contrary one says of every animal what the other does not. Another version learns from other animals. It
    is the champion, unless the champion's tag is given.
    """
    rng = np.random.default_rng(2 + int(version))
    rows = [
        {
            "length": float(rng.uniform(0, 10)),
            "weight": None if rng.random() < 0.2 else float(rng.gamma(2, 3)),
            "legs": int(rng.integers(0, 9)),
            "teeth": None if rng.random() < 0.2 else int(rng.integers(0, 50)),
            "tame": bool(rng.random() < 0.5),
            "barks": None if rng.random() < 0.2 else bool(rng.random() < 0.5),
            "colour": str(rng.choice(["black", "grün"])),
            "breed": None if rng.random() < 0.3 else str(rng.choice(["pug", "tabby"])),
        }
        for _ in range(80)
    ]
    matrix = CONTRACT.matrix([CONTRACT.row_type.model_validate(row) for row in rows])
    pipeline = make_pipeline(one_hot(CONTRACT), LogisticRegression())
    pipeline.fit(matrix, np.array([bool(row["barks"]) != is_contrary for row in rows]))
    golden = Golden(rows=rows[:3], probabilities=pipeline.predict_proba(matrix[:3]).tolist())
    lineage = lineage_of(name).model_copy(update={"model_version": version})
    return publish(pipeline, CONTRACT, golden, lineage, is_champion=champion is None, champion=champion)
