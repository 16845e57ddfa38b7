"""The model as clients of the protocol see it.

Its name is the BentoML model's. Its versions are those of the lineages of the models that answer: the
champion, and a challenger that answers a share of the requests. A request for another name or version is
rejected.
"""

from collections.abc import Sequence

from pydantic_core import to_json

from service.errors import ModelUnknown
from service.inference.served_models import ServedModels
from service.model.compiled import CompiledForm
from service.model.contract import Contract, Feature
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
    """The name and the versions by which requests may name what is served."""

    def __init__(self, tag: str, version: str) -> None:
        self.name = tag.partition(":")[0]
        self._version = version

    @property
    def versions(self) -> Sequence[str]:
        """The versions that answer requests, the champion's first."""
        return (self._version,)

    def check(self, name: str, version: str) -> None:
        """Raise ModelUnknown for another name or version; an empty version means any."""
        if name != self.name or (version and version not in self.versions):
            raise ModelUnknown(name, version, self.name, self.versions[0])


class ServedModel(ServedNames):
    """The names, versions and tensors of the models of a service, which have one contract."""

    def __init__(self, models: ServedModels, contract: Contract) -> None:
        super().__init__(models.current.champion.tag, "")
        self._models = models
        self.contract = contract

    @property
    def versions(self) -> Sequence[str]:
        """The versions that answer requests, the champion's first."""
        return tuple(dict.fromkeys(loaded.version for loaded in self._models.current.answering))

    @property
    def metadata(self) -> ModelMetadata:
        """The metadata of what is served now."""
        is_compiled = isinstance(self._models.current.champion.model.predictor, CompiledForm)
        platform = "onnxruntime_onnx" if is_compiled else "sklearn_skops"
        return metadata(self.contract, self.name, self.versions, platform)


def metadata(contract: Contract, name: str, versions: Sequence[str], platform: str) -> ModelMetadata:
    """The metadata of models of that contract."""
    classes = contract.target.classes
    return ModelMetadata(
        name=name,
        versions=list(versions),
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
