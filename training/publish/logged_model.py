"""A candidate's model in MLflow, which predicts from any dataframe with the features' names.

The pipeline takes matrices, as the service makes them. The model in MLflow has one more step before it,
``tabento_rows.py``, which makes a matrix of a dataframe: with pandas' nullable types, categoricals, gaps of
any kind, and columns in any order. The file of this step is stored with the model.

MLflow compares a dataframe with the signature before the model sees it, and refuses for example ``Int64``
for a double, or a categorical for a string. So the signature has the features' names without a type. The
step checks the types, and the model's metadata states them.
"""

import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import mlflow.sklearn
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from service.model.contract import Contract
from service.model.runtime import TRUSTED_TYPES
from training.table.dataset import Dataset
from training.table.features import to_value

MODEL_ARTIFACT = "model"
INPUT_EXAMPLE_ROWS = 3

_SERVING_PACKAGES = ("numpy", "scikit-learn", "skops")
_LABEL_TYPES = {"text": DataType.string, "integer": DataType.long, "boolean": DataType.boolean}

_ANY = AnyType()  # type: ignore[no-untyped-call]
_ROWS_FILE = Path(__file__).with_name("tabento_rows.py")


def log_model(pipeline: Pipeline, dataset: Dataset) -> str:
    """Log a fitted pipeline as the model of the open run; returns the model's id."""
    contract = dataset.contract
    types = {feature.name: feature.type for feature in contract.features}
    function = _shipped_function()
    rows = FunctionTransformer(function, kw_args={"columns": types})
    model = mlflow.sklearn.log_model(
        Pipeline([("rows", rows), *pipeline.steps]),
        name=MODEL_ARTIFACT,
        signature=signature_of(contract),
        input_example=_input_example(dataset),
        metadata={"feature_types": types},
        code_paths=[str(_ROWS_FILE)],
        serialization_format="skops",
        skops_trusted_types=[*TRUSTED_TYPES, f"{function.__module__}.{function.__name__}"],
        # Explicit, because MLflow takes several seconds to infer them.
        pip_requirements=[f"{package}=={version(package)}" for package in _SERVING_PACKAGES],
    )
    return str(model.model_id)


def signature_of(contract: Contract) -> ModelSignature:
    """The model's inputs, by name, and its output for MLflow."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_ANY, feature.name, required=not feature.nullable) for feature in contract.features
    ]
    return ModelSignature(Schema(inputs), Schema([ColSpec(_LABEL_TYPES[contract.target.type])]))


def _shipped_function() -> Callable[..., object]:
    """The function of the first step, from a module of the name by which a stored model imports it."""
    name = _ROWS_FILE.stem
    if name not in sys.modules:
        loader = SourceFileLoader(name, str(_ROWS_FILE))
        sys.modules[name] = module = ModuleType(name)
        loader.exec_module(module)
    function: Callable[..., object] = sys.modules[name].dataframe_rows
    return function


def _input_example(dataset: Dataset) -> pd.DataFrame:
    rows = dataset.frame.head(INPUT_EXAMPLE_ROWS).copy()
    for feature in dataset.contract.features:
        if feature.date_type is not None:
            texts = [to_value(days, feature.type) for days in rows[feature.name]]
            rows[feature.name] = pd.Series(texts, index=rows.index, dtype=object)
        if feature.withheld:
            rows[feature.name] = rows[feature.name].where(rows[feature.name].isna(), feature.example)
    return rows
