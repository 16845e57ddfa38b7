"""A small model with features of every type, missing values among them, published by the real publication."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from service.model.contract import Contract, Feature, Target, Value
from service.model.published import Golden
from tests.support.small_models import lineage_of
from training.candidates.built_in import preparation
from training.publish.publication import publish

CONTRACT = Contract(
    features=(
        Feature(name="length", type="float", minimum=0, observed_minimum=0, observed_maximum=10),
        Feature(name="weight", type="float", nullable=True),
        Feature(name="legs", type="integer", minimum=0, maximum=8),
        Feature(name="teeth", type="integer", nullable=True),
        Feature(name="tame", type="boolean"),
        Feature(name="barks", type="boolean", nullable=True),
        Feature(name="colour", type="category", categories=("black", "grün")),
        Feature(name="breed", type="category", categories=("pug", "tabby"), nullable=True),
    ),
    target=Target(name="dog", type="boolean", classes=(False, True)),
)
DOG: dict[str, Value] = {
    "length": 1.5, "weight": None, "legs": 4, "teeth": 42, "tame": True, "barks": True, "colour": "grün",
    "breed": "pug",
}  # fmt: skip


def publish_animals() -> str:
    """Publish it in the store of this process; gives the tag."""
    rng = np.random.default_rng(3)
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
    pipeline = make_pipeline(preparation(CONTRACT), LogisticRegression())
    pipeline.fit(matrix, np.array([bool(row["barks"]) for row in rows]))
    golden = Golden(rows=rows[:3], probabilities=pipeline.predict_proba(matrix[:3]).tolist())
    return publish(pipeline, CONTRACT, golden, lineage_of("animals"))
