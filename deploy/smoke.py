"""``make smoke``, ``make smoke-for``: whether a service that was just rolled out does its work.

It is asked as a client would ask: the row is made of the examples in the contract that the service shows, so
that any model can be asked, and the answer is looked up in the audit log. Behind a balancer each replica has
a log of its own, and only a request that reaches the same one finds the record: so a few are sent.

Exits with 0 when it does, 1 when it does not. Where keys are asked for, TABENTO_KEY has one with the scopes
predict and read.
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
"""While it is watched, one failed round in this many is forgiven: the way there can lose one too."""
LOOK_UPS = 50


class WrongError(Exception):
    """What is wrong with the service, in a sentence."""


def main() -> int:
    """Ask once, or again and again for some time."""
    parser = argparse.ArgumentParser(prog="python -m deploy.smoke", description=__doc__)
    parser.add_argument("url", help="of the service, without a path")
    parser.add_argument("--seconds", type=float, default=0, help="how long to go on asking; 0: once")
    asked = parser.parse_args()
    key = os.environ.get("TABENTO_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=TIMEOUT_S) as client:
        try:
            model = ask(client)
            look_up(client, predict(client))
        except (WrongError, httpx.HTTPError) as error:
            return _end(f"{asked.url}: {_sentence(error)}")
        sys.stdout.write(f"{asked.url} serves {model}, and records what it answers\n")
        return watch(client, asked.seconds) if asked.seconds else 0


def ask(client: httpx.Client) -> str:
    """See that it is ready and in order; gives the model's tag."""
    for path in (routes.LIVE, routes.READY):
        if (status := client.get(path).status_code) != httpx.codes.OK:
            raise WrongError(f"{path} answers {status}")
    health = _ask(client, "GET", routes.HEALTH)
    if health["status"] != "ok":
        raise WrongError(f"{routes.HEALTH} says {health['status']}: {health}")
    return str(health["model"])


def predict(client: httpx.Client) -> str:
    """Ask for a prediction, and see that it is one; gives the request's id."""
    contract = _ask(client, "GET", routes.MODEL)["contract"]
    row = {feature["name"]: feature["example"] for feature in contract["features"]}
    request_id = f"smoke-{uuid4()}"
    answer = _ask(client, "POST", routes.PREDICT, json=row, headers={"x-request-id": request_id})
    classes = contract["target"]["classes"]
    (label,) = answer["predictions"]
    (probabilities,) = answer["probabilities"]
    if label not in classes or len(probabilities) != len(classes) or abs(sum(probabilities) - 1) > 1e-6:
        raise WrongError(f"{routes.PREDICT} answers {answer}, which is no prediction among {classes}")
    return request_id


def look_up(client: httpx.Client, request_id: str) -> None:
    """See that the request is in the log of the replica that answered it."""
    for _ in range(LOOK_UPS):
        if _ask(client, "GET", routes.HISTORY, params={"request_id": request_id})["items"]:
            return
    raise WrongError(f"{routes.HISTORY} does not have the request {request_id}, which was answered")


def watch(client: httpx.Client, seconds: float) -> int:
    """Ask again and again; more failures than are forgiven end it at once."""
    end = time.monotonic() + seconds
    forgiven = int(seconds / INTERVAL_S / FAILED_IN)
    rounds = failed = 0
    while time.monotonic() < end:
        rounds += 1
        try:
            ask(client)
            predict(client)
        except (WrongError, httpx.HTTPError) as error:
            failed += 1
            sys.stderr.write(f"round {rounds}: {_sentence(error)}\n")
        if failed > forgiven:
            return _end(f"{failed} of {rounds} rounds failed")
        time.sleep(max(0.0, min(INTERVAL_S, end - time.monotonic())))
    sys.stdout.write(f"watched for {seconds:.0f} s: {rounds} rounds, {failed} failed\n")
    return 0


def _ask(client: httpx.Client, method: str, path: str, **content: Any) -> Json:
    answer = client.request(method, path, **content)
    if answer.status_code != httpx.codes.OK:
        raise WrongError(f"{path} answers {answer.status_code}: {answer.text[:500]}")
    body: Json = answer.json()
    return body


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__  # httpx's timeouts have no words of their own


def _end(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
