"""Whatever an assessment can be by its types, apart from numbers beyond all measure."""

import types
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime

from service.model.release.release import ROUTED, Mode, Release
from service.model.training_profile import Figure
from service.monitoring.assessment import Assessment
from tests.support.monitoring.assessments import HOSTILE

_PLAIN: dict[type, st.SearchStrategy[Any]] = {
    datetime: st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    float: st.floats(-1e15, 1e15),
    int: st.integers(0, 10**12),
    bool: st.booleans(),
    str: st.one_of(
        # Words that stand for no number are looked for in what is made of it.
        st.just(HOSTILE),
        st.text(max_size=40).filter(lambda text: text not in ("nan", "inf")),
        st.text(alphabet="<&\"'\x00\x1b\u202e ab", max_size=300),
    ),
}
_RELEASES = tuple(
    Release(
        release_id=f"{number:032x}",
        since_utc=datetime(2026, 11, 20, tzinfo=UTC),
        champion="iris:one",
        challenger=None if mode == "single" else "iris:two",
        mode=mode,
        share=0.1 if mode in ROUTED else 0.0,
        reason=HOSTILE,
    )
    for number, mode in enumerate(get_args(Mode))
)
_MOST = 3


def any_assessment() -> st.SearchStrategy[Assessment]:
    return _of(Assessment)


def _figure(ascending: list[float]) -> Figure:
    low, value, high = ascending
    return Figure(value=value, low=low, high=high)


def _of(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Release:
        return st.sampled_from(_RELEASES)
    if annotation == AwareDatetime:
        return _PLAIN[datetime]
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is type(None):
        return st.none()
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_of, arguments))
    if origin is tuple and Ellipsis not in arguments:
        return st.tuples(*map(_of, arguments))
    if origin is tuple:
        return st.lists(_of(arguments[0]), max_size=_MOST).map(tuple)
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=_MOST)
    if annotation is Figure:
        return st.tuples(*[_PLAIN[float]] * 3).map(sorted).map(_figure)
    return st.builds(
        annotation, **{name: _of(field.annotation) for name, field in annotation.model_fields.items()}
    )
