"""The OpenAPI document describes every operation, and its examples are what the service takes and gives."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.http.openapi.document import document
from service.http.openapi.feedback_operation import outcome_type
from service.model.contract import Contract, Feature, Target, Value
from service.model.text_field import WHITESPACE
from service.native.messages import Messages
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.routes import ANY_KEY, ROUTES
from tests.support.animals import CONTRACT
from tests.support.finished_steps import finish

Found = Iterator[tuple[str, dict[str, Any]]]
NAMES = st.text(min_size=1, max_size=8)
LIMITS = st.integers(-(10**6), 10**6)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    type_ = draw(st.sampled_from(["float", "integer", "boolean", "category", "date", "datetime"]))
    more: dict[str, Any] = {}
    if type_ in ("float", "integer"):
        bounds = {
            name: draw(st.none() | LIMITS)
            for name in ("minimum", "maximum", "observed_minimum", "observed_maximum")
        }
        low, high = bounds["minimum"], bounds["maximum"]
        if low is not None and high is not None:
            bounds["minimum"], bounds["maximum"] = min(low, high), max(low, high)
        more = {**bounds}
    elif type_ in ("date", "datetime"):
        first, last = sorted(draw(st.tuples(st.dates(), st.dates())))
        for kind in draw(st.sets(st.sampled_from(["", "observed_"]))):
            more |= {f"{kind}minimum": str(first), f"{kind}maximum": str(last)}
    elif type_ == "category":
        # Spaces around a category are removed in training.
        texts = st.text(max_size=5).map(lambda text: text.strip(WHITESPACE))
        categories = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
        more = {"categories": tuple(sorted(categories)), "closed": draw(st.booleans())}
    return Feature(name=name, type=type_, nullable=draw(st.booleans()), **more)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    type_ = draw(st.sampled_from(["text", "integer", "boolean"]))
    classes = {"text": ("a", "b", "c"), "integer": (0, 1, 7), "boolean": (False, True)}[type_]
    target = Target(name="target", type=type_, classes=classes)
    drawn = tuple(draw(features(name)) for name in names)
    day = draw(st.dates()) if any(feature.date_type for feature in drawn) else None
    return Contract(features=drawn, target=target, reference_date=day)


def of(contract: Contract, *, with_keys: bool = True) -> dict[str, Any]:
    return document(Messages(contract, 100), "a_model", with_keys=with_keys)


def operations(found: dict[str, Any]) -> Found:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(found: dict[str, Any]) -> Found:
    """Every body of every operation."""
    for where, operation in operations(found):
        answers = {status: answer["content"] for status, answer in operation["responses"].items()}
        if "requestBody" in operation:
            answers["request"] = operation["requestBody"]["content"]
        for what, content in answers.items():
            for media_type, about in content.items():
                yield f"{where} {what} {media_type}", about


@settings(max_examples=40)
@given(contracts())
def test_every_example_fits_its_schema(contract: Contract) -> None:
    from jsonschema import Draft202012Validator  # Its import takes seconds.

    found = of(contract)
    for where, about in bodies(found):
        if "octet-stream" in where:
            continue
        schema = {**about["schema"], "components": found["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(about["example"])]
        assert errors == [], where


@settings(max_examples=40)
@given(contracts())
def test_the_examples_of_requests_are_rows_that_the_contract_takes(contract: Contract) -> None:
    found = {
        where: about["example"]
        for where, about in bodies(of(contract))
        if "request app" in where and "json" in where
    }
    row: dict[str, Value] = found["POST /predict request application/json"]
    values = contract.row_type.model_validate(row).features
    assert found["POST /predict/batch request application/json"] == {"instances": [row]}
    for outcome in found["POST /feedback request application/json"]:
        outcome_type(contract).model_validate(outcome)
    tensors = found["POST /v2/models/{model}/infer request application/json"]
    (read,) = finish(json_body.read(tensors, memoryview(b""), Inputs(contract, 100), Outputs(contract))).rows
    # An empty text is a missing value, where there may be any and it is no category.
    assert [value or None for value in read] == [value or None for value in values]


@pytest.mark.parametrize("with_keys", [True, False])
def test_every_operation_says_what_it_does_and_every_parameter_what_it_is(with_keys: bool) -> None:
    found = dict(operations(of(CONTRACT, with_keys=with_keys)))
    summaries = {f"{route.method} {route.path}": route.summary for route in ROUTES}
    assert found.keys() <= summaries.keys()
    for where, operation in found.items():
        assert operation["summary"] == summaries[where]
        assert len(operation["description"]) > len(operation["summary"]), where
        assert operation["operationId"]
        for parameter in operation["parameters"]:
            assert parameter["description"], (where, parameter["name"])
            assert not {"null", "anyOf"} & {*map(str, parameter["schema"])}
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_missing_key_is_documented_where_one_is_needed(with_keys: bool) -> None:
    scopes = {f"{route.method} {route.path}": route.scope for route in ROUTES}
    for where, operation in operations(of(CONTRACT, with_keys=with_keys)):
        needed = with_keys and scopes[where] is not None
        assert ("401" in operation["responses"]) == needed, where
        assert ("403" in operation["responses"]) == (needed and scopes[where] != ANY_KEY), where
        assert bool(operation.get("security")) == needed


def test_the_headers_of_refusals_are_documented() -> None:
    found = of(CONTRACT)
    named = {}
    for where, operation in operations(found):
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"]
            named[where, status] = {*answer["headers"]} - {"X-Request-ID"}
            for reference in answer["headers"].values():
                assert reference["$ref"].rpartition("/")[2] in found["components"]["headers"]
    assert named["POST /predict", "401"] == {"WWW-Authenticate"}
    assert named["POST /predict", "429"] == named["POST /predict", "503"] == {"Retry-After"}
    assert named["GET /health", "503"] == set()  # It is no refusal, but what is asked for.
