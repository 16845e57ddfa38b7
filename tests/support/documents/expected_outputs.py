"""Whether an output is the one that a page shows, apart from what differs each time.

Ids, keys, hashes, dates, durations, versions of models, places of files and the last digits of a probability
differ each time. White space does not count, because the width of a terminal does not. ``...`` in what is
shown stands for any text.
"""

import json
import re
from typing import Any

_VOLATILE = (
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
    (r"\btabento_[0-9a-f]{12}_[\w-]+", "KEY"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", "TIME"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b", "HEX"),
    (r":[a-z2-7]{16}\b", ":VERSION"),
    (r"sqlite:/+\S*", "SQLITE"),
    (r"\b\d+(?:\.\d+)? ?(?:ms|s)\b", "DURATION"),
    (r"\b\d+(?:\.\d+)?e-(?:0[7-9]|[1-9]\d|[7-9])\b", "TINY"),
)
_CHANGING_NAME = re.compile(r".*_(?:ms|s|seconds|utc|bytes)|timestamp|pid")
"""Of a JSON value that differs each time, whatever its form."""
_KEPT_DIGITS = 6


def same(shown: str, written: str) -> bool:
    """Whether the output is the one that is shown."""
    if "..." not in shown:
        try:
            expected, found = _documents(shown), _documents(written)
        except ValueError:
            pass
        else:
            return expected == found
    parts = map(re.escape, _plain(shown).split("..."))
    return re.fullmatch(".*".join(parts), _plain(written)) is not None


def _documents(text: str) -> list[str]:
    """A JSON document, or one a line, without what differs each time; names keep their order."""
    try:
        found = [json.loads(text)]
    except ValueError:
        found = [json.loads(line) for line in text.splitlines()]
    return [json.dumps(_lasting(document)) for document in found]


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "CHANGES" if _CHANGING_NAME.fullmatch(name) and part is not None else _lasting(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_lasting(part) for part in value]
    if isinstance(value, float):
        return round(value, _KEPT_DIGITS)
    return _without_volatile(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", _without_volatile(text))


def _without_volatile(text: str) -> str:
    for pattern, name in _VOLATILE:
        text = re.sub(pattern, name, text)
    return re.sub(r"\d+\.\d{7,}", lambda number: f"{float(number[0]):.{_KEPT_DIGITS}f}", text)
