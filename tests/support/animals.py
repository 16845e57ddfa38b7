"""What a small model with features of every type takes, missing values among them."""

from service.model.contract import Contract, Feature, Target, Value

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
