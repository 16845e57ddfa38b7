"""The fields of a model's files and of the lineage, from the types in ``service/model``."""

import ast
import inspect
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from docs.extension.markdown_table import markdown_table, one_line
from service.model.card import CardSettings, ModelCard, Processor
from service.model.contract import Contract, Feature, Target
from service.model.published import Lineage
from service.model.runtime import Compilation
from service.model.training_profile import (
    CategoryProfile,
    Figure,
    NumberProfile,
    PredictionProfile,
    TrainingProfile,
    TrainingSample,
)


def contract_fields() -> str:
    """Write the fields of a contract."""
    return _sections(Contract, Feature, Target)


def lineage_fields() -> str:
    """Write the fields of a lineage."""
    return _sections(Lineage, Compilation)


def profile_fields() -> str:
    """Write the fields of a training profile."""
    return _sections(TrainingProfile, NumberProfile, CategoryProfile, PredictionProfile, Figure)


def sample_fields() -> str:
    """Write the fields of a sample of the training table."""
    return _sections(TrainingSample)


def card_fields() -> str:
    """Write the fields of a model card."""
    return _sections(ModelCard, Processor, CardSettings)


def _sections(*models: type[BaseModel]) -> str:
    return "\n".join(f"### {model.__name__}\n\n{_intro(model)}\n\n{_table(model)}" for model in models)


def _intro(model: type[BaseModel]) -> str:
    return one_line(inspect.getdoc(model))


def _table(model: type[BaseModel]) -> str:
    said = attribute_docstrings(model)
    properties = model.model_json_schema()["properties"]
    rows = [
        (f"`{name}`", _type_name(properties[name]), "yes" if field.is_required() else "", said.get(name, ""))
        for name, field in model.model_fields.items()
    ]
    return markdown_table(("field", "type", "required", "meaning"), rows)


def _type_name(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    match schema:
        case {"const": value}:
            return f"`{value}`"
        case {"enum": [*values]}:
            return ", ".join(f"`{value}`" for value in values)
        case {"anyOf": [*kinds]} | {"oneOf": [*kinds]}:
            return " or ".join(dict.fromkeys(_type_name(kind) for kind in kinds))
        case {"type": "array", "items": dict() as kind}:
            return f"list of {_type_name(kind)}"
        case {"type": "object", "additionalProperties": dict() as kind}:
            return f"object of {_type_name(kind)}"
        case {"type": str() as name}:
            return name
        case {"$ref": str() as path}:
            return path.rpartition("/")[2]
        case _:
            return "any"


def attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands as a string below each field of a class."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    statements = getattr(definition, "body", [])
    found = {}
    for field, below in pairwise(statements):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                found[name] = one_line(text)
    return found
