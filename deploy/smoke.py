"""``make smoke`` and ``make smoke-for``: check that a service predicts and records, as after a rollout.

The check sends one row as a client does. The row consists of the examples in the contract that the service
returns, so any model can be checked. Then it looks up the answer in the audit log. Behind a load balancer
each replica has its own log, so several look-ups are sent until one reaches the right replica.

Exits with 0 if the service works, and with 1 otherwise. If the service requires keys, TABENTO_KEY must be a
key with the scopes predict and history.
"""

import argparse
import os
import sys
import time
from typing import Any, TypeAlias
from uuid import uuid4

import httpx

from service import routes

Json: TypeAlias = dict[str, Any]

INTERVAL_S = 2.0
TIMEOUT_S = 10.0
FAILED_IN = 100
"""Of this many rounds, one may fail, because the network can lose a request."""
LOOK_UPS = 50


class ServiceFailedError(Exception):
    """The service does not work; the message says why."""


def main() -> int:
    """Check once, or repeatedly for some time."""
    parser = argparse.ArgumentParser(prog="python -m deploy.smoke", description=__doc__)
    parser.add_argument("url", help="the URL of the service, without a path")
    parser.add_argument("--seconds", type=float, default=0, help="how long to repeat the check; 0: once")
    options = parser.parse_args()
    key = os.environ.get("TABENTO_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=options.url, headers=headers, timeout=TIMEOUT_S) as client:
        try:
            model = check_health(client)
            look_up(client, predict(client))
        except (ServiceFailedError, httpx.HTTPError) as error:
            return _fail(f"{options.url}: {_sentence(error)}")
        sys.stdout.write(f"{options.url} serves {model}, and records what it answers\n")
        return repeat(client, options.seconds) if options.seconds else 0


def check_health(client: httpx.Client) -> str:
    """Check that the service is ready and healthy; returns the model's tag."""
    for path in (routes.LIVE, routes.READY):
        if (status := client.get(path).status_code) != httpx.codes.OK:
            raise ServiceFailedError(f"{path} answers {status}")
    health = _request(client, "GET", routes.HEALTH)
    if health["status"] != "ok":
        raise ServiceFailedError(f"{routes.HEALTH} says {health['status']}: {health}")
    return str(health["model"])


def predict(client: httpx.Client) -> str:
    """Request a prediction and check it; returns the request's id."""
    contract = _request(client, "GET", routes.MODEL)["contract"]
    row = {feature["name"]: feature["example"] for feature in contract["features"]}
    request_id = f"smoke-{uuid4()}"
    answer = _request(client, "POST", routes.PREDICT, json=row, headers={"x-request-id": request_id})
    classes = contract["target"]["classes"]
    (label,) = answer["predictions"]
    (probabilities,) = answer["probabilities"]
    if label not in classes or len(probabilities) != len(classes) or abs(sum(probabilities) - 1) > 1e-6:
        raise ServiceFailedError(f"{routes.PREDICT} answers {answer}, which is not a prediction of {classes}")
    return request_id


def look_up(client: httpx.Client, request_id: str) -> None:
    """Check that the request is in the log of the replica that answered it."""
    for _ in range(LOOK_UPS):
        if _request(client, "GET", routes.HISTORY, params={"request_id": request_id})["items"]:
            return
    raise ServiceFailedError(f"{routes.HISTORY} does not have the request {request_id}, which was answered")


def repeat(client: httpx.Client, seconds: float) -> int:
    """Repeat the check; too many failures end it at once."""
    end = time.monotonic() + seconds
    allowed = int(seconds / INTERVAL_S / FAILED_IN)
    rounds = failed = 0
    while time.monotonic() < end:
        rounds += 1
        try:
            check_health(client)
            predict(client)
        except (ServiceFailedError, httpx.HTTPError) as error:
            failed += 1
            sys.stderr.write(f"round {rounds}: {_sentence(error)}\n")
        if failed > allowed:
            return _fail(f"{failed} of {rounds} rounds failed")
        time.sleep(max(0.0, min(INTERVAL_S, end - time.monotonic())))
    sys.stdout.write(f"watched for {seconds:.0f} s: {rounds} rounds, {failed} failed\n")
    return 0


def _request(client: httpx.Client, method: str, path: str, **content: Any) -> Json:
    answer = client.request(method, path, **content)
    if answer.status_code != httpx.codes.OK:
        raise ServiceFailedError(f"{path} answers {answer.status_code}: {answer.text[:500]}")
    body: Json = answer.json()
    return body


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__  # httpx's timeouts have no message.


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
