"""``make swap-test``: exchange models while two workers answer at their full rate.

    python -m load_tests.swaps --swaps 200 --kills 20

Two models are trained in a folder of their own. Clients over HTTP and gRPC send one row in a closed loop,
while releases of every mode follow each other and workers are killed at random. Exits with 1 if a request got
an answer other than its prediction, an answer is not recorded under the model that gave it, the log does not
verify, or the workers hold more memory at the end than after the first swaps.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from load_tests.bench.http_load import BODY
from load_tests.bench.own_models import train_own_models
from load_tests.bench.serving import PROJECT, Service, serving
from load_tests.swaps.callers import Callers
from load_tests.swaps.exchange import Exchange
from load_tests.swaps.recorded_answers import compare
from service.model.card import make_card
from service.model.published import load_model
from service.settings import Settings
from service.worker.model_loading import card_settings

WORKERS = 2
MOST_GROWTH = 1.15
"""Resident memory at the end, as a multiple of that after the first swaps."""
_WARM_UP = 10
"""Swaps before the first measurement of memory."""


def main() -> int:
    """Run the test; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.swaps", description="Swaps under load.")
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--connections", type=int, default=32, help="over HTTP; a quarter of it over gRPC")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="tabento-swaps-") as folder:
        return _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> int:
    tags = train_own_models(folder, ("logistic_regression", "random_forest"))
    log = folder / "tabento-audit.db"
    settings = {
        "TABENTO_AUDIT_DB": str(log),
        "TABENTO_WORKERS": str(WORKERS),
        "TABENTO_RELEASES_AUTO": "off",
    }
    with serving(str(PROJECT), tags[0], **settings) as service:
        callers = asyncio.run(_swap_under_load(service, log, tags, options))
        expected = {}
        for tag in tags:
            model_id, probabilities = _expected(tag)
            expected[model_id] = probabilities
    compared = compare(log, callers.answers, expected)
    verified = _command("service.audit", "--db", str(log), "verify")
    _say(f"{compared.answers:,} answers, {compared.records:,} records, {callers.lost:,} lost connections")
    _say(f"refused: {dict(callers.refused) or 'none'}; longest answer {callers.longest_s:.2f} s")
    _say(
        f"not recorded: {compared.unrecorded}; under another model: {compared.other_model}; "
        f"other probabilities than the model's: {compared.other_probabilities}"
    )
    _say((verified.stdout + verified.stderr).strip())
    return int(bool(callers.refused) or not compared.holds or verified.returncode != 0 or _grew(callers))


async def _swap_under_load(
    service: Service, log: Path, tags: tuple[str, ...], options: argparse.Namespace
) -> Callers:
    callers = Callers(service.url, service.grpc or "")
    load = asyncio.create_task(callers.call(options.connections, options.connections // 4))
    try:
        await asyncio.to_thread(_swaps, service, log, tags, options, callers)
    finally:
        callers.stop()
        await load
    return callers


def _swaps(
    service: Service, log: Path, tags: tuple[str, ...], options: argparse.Namespace, callers: Callers
) -> None:
    exchange = Exchange(log, tags, options.seed)
    chance = random.Random(options.seed)
    killed_after = {*chance.sample(range(_WARM_UP, options.swaps), min(options.kills, options.swaps // 2))}
    is_due, kills = False, 0
    for number in range(options.swaps):
        if number == _WARM_UP:
            callers.resident_mb.append(service.resident_mb)
        is_due = is_due or number in killed_after
        # A service whose every worker is killed answers nobody.
        if is_due and exchange.workers == WORKERS:
            chance.choice(service.workers()).kill()
            is_due = False
            kills += 1
        exchange.next()
    exchange.await_workers(WORKERS)
    callers.resident_mb.append(service.resident_mb)
    times = sorted(exchange.seconds)
    _say(
        f"{len(times)} swaps, {kills} kills; in force with every worker after "
        f"{median(times):.2f} s (median), {times[-1]:.2f} s (longest)"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _grew(callers: Callers) -> bool:
    first, last = callers.resident_mb
    _say(f"resident memory of the workers: {first:.0f} MB after {_WARM_UP} swaps, {last:.0f} MB at the end")
    return last > first * MOST_GROWTH


def _expected(tag: str) -> tuple[str, tuple[float, ...]]:
    """The model's id in this service, and its probabilities for the row."""
    model = load_model(tag)
    row = model.contract.row_type.model_validate_json(BODY)
    (probabilities,) = model.predict_proba(model.contract.matrix([row])).tolist()
    return make_card(model, card_settings(Settings())).model_id, tuple(probabilities)


def _command(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
