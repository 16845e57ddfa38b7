"""The model as clients of the protocol see it.

Its name is the BentoML model's. Its only version is its lineage's, which every answer and record contains. A
request for another name or version is rejected.
"""

from pydantic_core import to_json

from service.errors import ModelUnknown
from service.model.compiled import CompiledForm
from service.model.contract import Contract, Feature
from service.model.published import PublishedModel
from service.oip.inputs import MATRIX
from service.oip.message_types import ModelMetadata, TensorMetadata
from service.oip.outputs import LABEL, PROBABILITIES
from service.wire.datatypes import BYTES, FP64

SERVER_NAME = "tabento"
SERVER_VERSION = "0.2.0"
BINARY_EXTENSION = "binary_tensor_data"

ANY = -1
"""The length of a dimension that depends on the request."""


class ServedNames:
    """The name and the version of a model, by which requests may name it."""

    def __init__(self, tag: str, version: str, model_id: str) -> None:
        self.name = tag.partition(":")[0]
        self.version = version
        self.model_id = model_id

    def check(self, name: str, version: str) -> None:
        """Raise ModelUnknown for another name or version; an empty version means any."""
        if name != self.name or (version and version != self.version):
            raise ModelUnknown(name, version, self.name, self.version)


class ServedModel(ServedNames):
    """The names, versions and tensors of a published model."""

    def __init__(self, model: PublishedModel, model_id: str) -> None:
        super().__init__(model.tag, model.lineage.model_version, model_id)
        self.contract = model.contract
        platform = "onnxruntime_onnx" if isinstance(model.predictor, CompiledForm) else "sklearn_skops"
        self.metadata = metadata(model.contract, self.name, self.version, platform)


def metadata(contract: Contract, name: str, version: str, platform: str) -> ModelMetadata:
    """The metadata of a model of that contract."""
    classes = contract.target.classes
    return ModelMetadata(
        name=name,
        versions=[version],
        platform=platform,
        inputs=_inputs(contract),
        outputs=[_tensor(LABEL, BYTES.name, ANY), _tensor(PROBABILITIES, FP64.name, ANY, len(classes))],
        # The protocol has no field for the order of the probabilities.
        properties={"classes": to_json(classes).decode()},
    )


def _inputs(contract: Contract) -> list[TensorMetadata]:
    inputs = [_tensor(feature.name, _datatype(feature), ANY, 1) for feature in contract.features]
    if not contract.has_texts:
        inputs.append(_tensor(MATRIX, FP64.name, ANY, len(contract.features)))
    return inputs


def _tensor(name: str, datatype: str, *shape: int) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=list(shape))


def _datatype(feature: Feature) -> str:
    if feature.is_text:
        return BYTES.name
    if feature.type == "float" or feature.nullable:  # For NaN.
        return FP64.name
    return "INT64" if feature.type == "integer" else "BOOL"
