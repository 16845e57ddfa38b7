"""The settings, from ``service/settings.py``."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from docs.extension.markdown_table import markdown_table, one_line
from service.settings import PREFIX, Settings

_TYPES = {"str": "text", "Path": "path", "int": "integer", "float": "number", "bool": "`true`, `false`"}
_BOUNDS = {Ge: ("from", "ge"), Gt: ("above", "gt"), Le: ("to", "le"), Lt: ("below", "lt")}


def setting_table() -> str:
    """Write every setting."""
    rows = [
        (f"`{PREFIX}{name.upper()}`", _values(field), _default(field), one_line(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return markdown_table(("variable", "values", "default", "meaning"), rows)


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{word} {getattr(bound, name):,}"
        for kind, (word, name) in _BOUNDS.items()
        for bound in field.metadata
        if isinstance(bound, kind)
    ]
    return " ".join([_type_name(field.annotation), *bounds])


def _type_name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin is Annotated:
        return _type_name(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        (kind,) = {_type_name(kind) for kind in get_args(annotation) if kind is not type(None)}
        return kind
    return _TYPES.get(getattr(annotation, "__name__", ""), "list")


def _default(field: FieldInfo) -> str:
    if field.default in (None, ()):
        return "unset"
    default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{default}`"
