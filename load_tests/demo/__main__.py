"""``make demo``: flowers are predicted, their nature changes, and the service learns the new one by itself.

    python -m load_tests.demo

In about three minutes: traffic flows, the world changes, live quality falls, a retraining starts by itself,
its gate passes, a shadow gathers evidence, the challenger is promoted, and quality recovers. Then a bad
challenger is tried on a share of the requests and rolled back. At the end stand the timeline from the ledger
and a proof that every answer is recorded under the model that gave it. Exits with 1 if a part does not happen
in time, or the proof does not hold.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from load_tests.bench.serving import Service
from load_tests.demo.demo_proof import prove, timeline
from load_tests.demo.flowers import TABLE, TARGET, Meadow
from load_tests.demo.narration import Narration
from load_tests.demo.observed import Observed, observe
from load_tests.demo.stage import NAME, Stage
from load_tests.demo.visitors import Visitors

PER_SECOND = 120
_PATIENCE_S = 240.0
"""For each part; a busy machine takes several times as long as an idle one."""
_LINE_INTERVAL_S = 3.0
_WATCH = (
    "--data", str(TABLE), "--target", TARGET, "--name", NAME,
    "--on-loss", "--cool-down", "20s", "--interval", "1s", "--max-latency-ratio", "30",
)  # fmt: skip


class Demo:
    """The parts of the story, in order."""

    def __init__(self, stage: Stage, narration: Narration) -> None:
        self._stage = stage
        self._narration = narration
        self._meadow = Meadow()

    def play(self) -> int:
        """Tell the story; the exit code."""
        say, chapter = self._narration.say, self._narration.chapter
        chapter("1. A model is trained on Iris and served by two workers.")
        first = self._stage.train()
        say("training", f"published {first}")
        with self._stage.service() as service:
            visitors = Visitors(service.url, self._meadow, PER_SECOND)
            visitors.begin()
            try:
                with self._stage.watcher(*_WATCH):
                    self._learn(service, visitors, first)
                self._try_a_bad_one(service, visitors)
            finally:
                visitors.stop()
        return self._finish(visitors)

    def _learn(self, service: Service, visitors: Visitors, first: str) -> None:
        self._until(service, visitors, "quality is measured", lambda now: now.labelled >= 600)
        self._narration.chapter("2. The world changes: every versicolor is of a new sort.")
        self._meadow.has_new_sort = True
        self._until(service, visitors, "the loss is confirmed", lambda now: now.is_degraded)
        self._narration.chapter("3. The watcher retrains; the gate decides; a shadow gathers evidence.")
        self._until(service, visitors, "a challenger is in shadow", lambda now: now.challenger is not None)
        self._until(service, visitors, "the challenger is promoted", lambda now: now.champion != first)
        self._narration.chapter("4. The new champion answers.")
        self._until(service, visitors, "quality recovers", lambda _: visitors.recent_accuracy() > 0.9)

    def _try_a_bad_one(self, service: Service, visitors: Visitors) -> None:
        self._narration.chapter("5. A bad challenger is tried on a fifth of the requests.")
        table = self._stage.folder / "mislabelled.csv"
        self._meadow.mislabelled_table(table)
        bad = self._stage.train(table)
        champion = observe(service.url).champion
        options = "--share", "0.2", "--replace", "--reason", "to see what a bad model does"
        self._stage.run("service.releases", "canary", bad, *options)
        self._narration.say("release", f"canary {bad} with 20 %")
        self._until(
            service,
            visitors,
            "the bad challenger is rolled back",
            lambda now: now.mode == "single" and now.champion == champion,
        )

    def _until(
        self, service: Service, visitors: Visitors, what: str, holds: Callable[[Observed], bool]
    ) -> None:
        """Wait until something holds, with a line every few seconds; ends the demo if it does not."""
        until = monotonic() + _PATIENCE_S
        next_line = 0.0
        while not holds(now := observe(service.url)):
            if monotonic() > until:
                raise SystemExit(f"After {_PATIENCE_S:.0f} s it does not hold that {what}: {now}")
            if monotonic() >= next_line:
                next_line = monotonic() + _LINE_INTERVAL_S
                self._narration.say("service", f"{now}; the last answers: {visitors.recent_accuracy():.0%}")
            sleep(0.25)
        self._narration.say("service", f"{what}: {now}")

    def _finish(self, visitors: Visitors) -> int:
        self._narration.chapter("6. What the ledger says.")
        for line in timeline(self._stage.log):
            sys.stdout.write(f"{line}\n")
        self._narration.chapter("7. The proof.")
        proof = prove(self._stage.log, visitors.sent, visitors.answered, visitors.failures)
        sys.stdout.write(f"{proof}\n{self._stage.run('service.audit', 'verify')}")
        return 0 if proof.holds else 1


def main() -> int:
    """Play the demo in a folder of its own."""
    with TemporaryDirectory(prefix="tabento-demo-") as folder:
        narration = Narration()
        return Demo(Stage(Path(folder), narration), narration).play()


if __name__ == "__main__":
    sys.exit(main())
