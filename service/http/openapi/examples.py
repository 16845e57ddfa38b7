"""Examples of the native API's messages for the OpenAPI document, which can be read without a key.

They are made from the contract's names, types, limits and examples. They contain nothing for which a key may
be required: no observed categories and no lineage.
"""

from collections.abc import Mapping
from math import ceil, floor

from pydantic import JsonValue

from service.errors import (
    AssessmentMissing,
    AuditUnavailable,
    BodyMalformed,
    BodyTooLarge,
    DeadlineExceeded,
    Finding,
    InferenceInvalid,
    InternalFailure,
    KeyInvalid,
    MediaTypeUnsupported,
    ModelUnknown,
    OutcomesInvalid,
    OutcomesUnavailable,
    Overloaded,
    PredictionPruned,
    PredictionUnknown,
    QueryInvalid,
    ReceiptPending,
    ReceiptTooLarge,
    RequestError,
    RowsInvalid,
    ScopeMissing,
)
from service.http.openapi.release_example import release, release_in_force, shadow
from service.model.card import CardSettings, ModelCard, Processor
from service.model.contract import Contract, Feature, Value
from service.model.contract_view import view_of
from service.model.label import Label, label_text
from service.model.published import COMPILED_FILE, CONTRACT_FILE, ESTIMATOR_FILE, GOLDEN_FILE, Lineage
from service.model.training_profile import PROFILE_FILE
from service.native.messages import Health

Example = dict[str, JsonValue]

REQUEST_ID = "01a20ac6-5831-7467-b8cb-96eb918aceba"
VERSION = "1"
MODEL_ID = "3f0c4e6a9b1d2758"
CONFIDENCE = 0.9
_MOMENT = "2026-07-04T09:30:00.000000Z"
_LATER = "2026-07-11T08:00:00.000000Z"
_LAST_MOMENT_CURSOR = f"{_MOMENT}~41"
_TAG_VERSION = "4vdr5axhtwswwax4"
_MILLISECONDS = 1.204

METRICS = (
    "# HELP tabento_requests_total Requests answered.\n"
    "# TYPE tabento_requests_total counter\n"
    'tabento_requests_total{method="POST",route="/predict",status="200"} 1.0\n'
)


def row(contract: Contract) -> dict[str, Value]:
    """A valid row."""
    return {feature.name: _value(feature) for feature in contract.features}


def probabilities(contract: Contract) -> list[float]:
    """The probabilities of a row whose label is the first class."""
    others = len(contract.target.classes) - 1
    return [CONFIDENCE, *[round((1 - CONFIDENCE) / others, 6)] * others]


def answer(contract: Contract, model: str) -> Example:
    """The answer to that row from a model of this name."""
    return {
        "predictions": [contract.target.classes[0]],
        "probabilities": [[*probabilities(contract)]],
        "model_name": model,
        "model_version": VERSION,
        "model_id": MODEL_ID,
        "processing_time_ms": _MILLISECONDS,
        "timestamp": _MOMENT,
        "request_id": REQUEST_ID,
    }


RECEIPT: Example = {
    "format": "tabento receipt 1",
    "log_id": "0" * 32,
    "verifier_key": "tabento/LOG_ID+KEY_ID+KEY",
    "timestamps": [],
    "entries": [{"entry": "request", "id": 42, "proof": "c2sp.org/tlog-proof@v1\nindex 41\n..."}],
}
"""The outline of a receipt."""


def _known_later(label: Label) -> Example:
    """What became known of that answer, and what a challenger says of its row."""
    return {
        "outcomes": [
            {
                "row": 0,
                "kind": "truth",
                "label": label,
                "received_utc": _LATER,
                "observed_utc": _MOMENT,
                "source": "laboratory",
                "reviewer": None,
                "reason_code": None,
            }
        ],
        "has_more_outcomes": False,
        "shadow": shadow(label),
    }


def history(contract: Contract, model: str) -> Example:
    """A page of the history with that answer."""
    label: Label = contract.target.classes[0]
    item: Example = {
        "id": 42,
        "request_id": REQUEST_ID,
        "received_utc": _MOMENT,
        "transport": "http",
        "route": "/predict",
        "status": 200,
        "duration_ms": _MILLISECONDS,
        "client": "127.0.0.1",
        "key_name": None,
        "subject": None,
        "model_name": model,
        "model_version": VERSION,
        "model_id": MODEL_ID,
        "rows": 1,
        "predictions": [
            {"label": label, "rows": 1, "min_confidence": CONFIDENCE, "max_confidence": CONFIDENCE}
        ],
        "flags": 0,
        "request": {**row(contract)},
        "request_cut_bytes": 0,
        "response": answer(contract, model),
        **_known_later(label),
    }
    return {"items": [item], "next_before": _LAST_MOMENT_CURSOR}


def model_info(contract: Contract, model: str, max_batch_rows: int) -> Example:
    """The answer of /model/info for a model of this name."""
    features = [
        Feature(name=feature.name, type=feature.type, nullable=feature.nullable, unit=feature.unit)
        for feature in contract.features
    ]
    target = contract.target
    listed = Contract(features=tuple(features), target=target, reference_date=contract.reference_date)
    return {
        "tag": f"{model}:{_TAG_VERSION}",
        "model_name": model,
        "model_version": VERSION,
        "model_id": MODEL_ID,
        "card": _card(model).model_dump(mode="json"),
        "release": release(model).model_dump(mode="json"),
        "classes": [*target.classes],
        "contract": view_of(listed).model_dump(mode="json"),
        "lineage": _lineage(model).model_dump(mode="json"),
        "runtime": "ONNX Runtime 1.32.0",
        "max_batch_rows": max_batch_rows,
        "has_profile": True,
    }


def health(model: str, status: str) -> Example:
    """The answer of /health for a model of this name."""
    state = Health(
        status=status,
        model=f"{model}:{_TAG_VERSION}",
        model_name=model,
        model_version=VERSION,
        model_id=MODEL_ID,
        release=release_in_force(model),
        runtime="ONNX Runtime 1.32.0",
        audit_mode="strict",
        audit_writable=status == "ok",
        audit_dropped=0,
        uptime_s=86_400.5,
        monitoring="on",
    )
    return state.model_dump(mode="json", exclude_none=True)


def refusals(contract: Contract, model: str) -> Mapping[type[RequestError], RequestError]:
    """An example of each error that the document describes, by its class."""
    value = Finding((contract.features[0].name,), "Field required")
    errors = (
        BodyMalformed("expected value at line 1 column 1"),
        QueryInvalid([Finding(("limit",), "Input should be less than or equal to 200")]),
        InferenceInvalid("it has no list of inputs"),
        KeyInvalid(),
        ScopeMissing("robot", "history"),
        ModelUnknown("another", "", model, VERSION),
        PredictionUnknown(REQUEST_ID),
        AssessmentMissing(is_off=False),
        ReceiptPending(REQUEST_ID, _MOMENT),
        PredictionPruned(REQUEST_ID, _MOMENT),
        ReceiptTooLarge(8_388_608, 100),
        BodyTooLarge(33_554_432),
        MediaTypeUnsupported("text/plain"),
        RowsInvalid([value]),
        OutcomesInvalid(1, [Finding((0, "label"), "Field required")]),
        OutcomesUnavailable(),
        Overloaded(),
        InternalFailure(),
        AuditUnavailable(),
        DeadlineExceeded(),
    )
    return {type(error): error for error in errors}


def label(contract: Contract) -> str:
    """The first class, as text."""
    return label_text(contract.target.classes[0])


def _lineage(model: str) -> Lineage:
    return Lineage(
        model_name=model,
        model_version=VERSION,
        registered_model=model,
        candidate="logistic_regression",
        alias="champion",
        run_id="0" * 32,
        experiment=model,
        trained_utc="2026-07-01T12:00:00+00:00",
        seed=42,
        data_name="table.csv",
        data_sha256="0" * 64,
        data_rows=10_000,
        metrics={"test_accuracy": 0.93},
        libraries={"scikit-learn": "1.9.1"},
    )


def _card(model: str) -> ModelCard:
    digest = "0" * 64
    return ModelCard(
        tag=f"{model}:{_TAG_VERSION}",
        model_name=model,
        model_version=VERSION,
        files=dict.fromkeys(
            (COMPILED_FILE, CONTRACT_FILE, ESTIMATOR_FILE, GOLDEN_FILE, PROFILE_FILE), digest
        ),
        contract_sha256=digest,
        lineage_sha256=digest,
        runtime="ONNX Runtime",
        runtime_version="1.32.0",
        threads=1,
        libraries={"numpy": "2.4.6", "onnxruntime": "1.32.0"},
        python="3.13.1",
        processor=Processor(architecture="x86_64", name="A processor", flags=("avx2", "fma")),
        image_digest=None,
        settings=CardSettings(runtime="auto", max_batch_rows=10_000, max_call_rows=1_024),
    )


def _value(feature: Feature) -> Value:
    if feature.open_example is not None:
        return feature.open_example
    if feature.type == "boolean":
        return True
    if feature.type == "category":
        return feature.categories[0] if feature.closed else "text"
    return _number_or_date(feature)


def _number_or_date(feature: Feature) -> Value:
    lowest, highest = feature.limits
    low, high = feature.observed_range or (lowest, highest)
    middle = min(max(low / 2 + high / 2, lowest), highest)
    if feature.type in ("integer", "date"):
        middle = min(max(round(middle), ceil(lowest)), floor(highest))
    return feature.value_of(middle)
