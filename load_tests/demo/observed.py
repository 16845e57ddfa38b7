"""What the service says of itself over HTTP: its models, its live quality and its evidence."""

import json
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

_TIMEOUT_S = 30.0


class Observed(NamedTuple):
    """The state at one moment."""

    champion: str = ""
    challenger: str | None = None
    mode: str = "single"
    labelled: int = 0
    accuracy: tuple[float, float, float] | None = None
    """The value and the ends of its interval, since the model is served."""
    is_degraded: bool = False
    difference: tuple[float, float, float] | None = None
    """Challenger's accuracy minus champion's, with its interval."""
    action: str = ""

    def __str__(self) -> str:
        served = f"{self.mode}: {self.champion.partition(':')[2]}"
        parts = [served + (f" and {self.challenger.partition(':')[2]}" if self.challenger else "")]
        if self.accuracy is not None:
            parts.append(f"accuracy {_interval(*self.accuracy)}{' degraded' if self.is_degraded else ''}")
        if self.difference is not None:
            parts.append(f"difference {_interval(*self.difference)}, {self.action}")
        return ", ".join(parts)


def observe(url: str) -> Observed:
    """Ask the service."""
    health = _json(f"{url}/health")
    release: dict[str, Any] = health.get("release") or {}
    monitoring = _json(f"{url}/monitoring")
    quality = monitoring.get("quality") or {}
    accuracy: dict[str, Any] = next(
        (each for each in quality.get("figures", ()) if each["metric"] == "accuracy"), {}
    )
    evidence = monitoring.get("evidence") or {}
    difference: dict[str, Any] = next(
        (each for each in evidence.get("differences", ()) if each["low"] is not None), {}
    )
    return Observed(
        champion=health.get("model", ""),
        challenger=(release.get("challenger") or {}).get("tag"),
        mode=release.get("mode", "single"),
        labelled=quality.get("labelled", 0),
        accuracy=_figure(accuracy, "value"),
        is_degraded=quality.get("verdict") == "drifting",
        difference=_figure(difference, "difference"),
        action=evidence.get("action", ""),
    )


def _figure(found: dict[str, Any], name: str) -> tuple[float, float, float] | None:
    if found.get(name) is None or found.get("low") is None:
        return None
    return found[name], found["low"], found["high"]


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _json(url: str) -> dict[str, Any]:
    try:
        with urlopen(url, timeout=_TIMEOUT_S) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except HTTPError as error:
        error.close()
    except (URLError, OSError, HTTPException):
        pass
    return {}
