"""What is pruned by age under clocks that are wrong: nothing early, and nothing kept for ever."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.keep.clock import Clock
from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import ADA, ANSWERED, command, packed, read, request_ids, write
from tests.support.audit.retained_logs import recent

KEEP_DAYS = 10.0
DAY = timedelta(days=1)
KEEP = KEEP_DAYS * DAY
AHEAD, BEHIND = 400 * DAY, -400 * DAY


class World:
    """Time as it is, and a clock that may say another."""

    def __init__(self, db: Path) -> None:
        self.db = db
        self.passed = timedelta()
        self.wrong = timedelta()
        self.began = datetime.now(UTC)
        self.written: dict[str, timedelta] = {}
        """When each request was."""
        self.restart()

    def restart(self) -> None:
        clock = Clock(self.wall, lambda: self.passed.total_seconds())
        self.file = LogFile(self.db, limits=Limits(keep_days=KEEP_DAYS), clock=clock)

    def wall(self) -> datetime:
        return self.began + self.passed + self.wrong

    def write(self, count: int = 1) -> None:
        names = [f"r-{len(self.written) + number}" for number in range(count)]
        self.written |= dict.fromkeys(names, self.passed)
        self.file.write(
            packed(replace(ANSWERED, request_id=name, received_utc=self.wall()) for name in names)
        )

    def prune(self) -> None:
        while self.file.prune_step(0):
            pass

    def kept(self) -> list[str]:
        return request_ids(read(self.db))

    def ages(self, names: Iterator[str] | list[str]) -> list[timedelta]:
        return [self.passed - self.written[name] for name in names]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "audit.db")
    yield world
    world.file.close()


def test_one_request_with_a_future_date_delays_no_removal(world: World) -> None:
    world.wrong = AHEAD
    world.write()
    world.wrong = timedelta()
    world.write(3)
    world.passed = KEEP + DAY
    world.write()
    world.prune()

    assert world.kept() == ["r-4"]


def test_many_requests_with_a_future_date_delay_no_removal(world: World) -> None:
    world.write()
    world.wrong = AHEAD
    world.write(900)
    world.wrong = timedelta()
    world.write(3)
    world.passed = KEEP + DAY
    world.write()
    world.prune()

    assert world.kept() == ["r-904"]


@pytest.mark.parametrize("jump", [timedelta(days=9.9), AHEAD])
def test_a_clock_that_jumps_ahead_removes_no_fresh_request(world: World, jump: timedelta) -> None:
    world.write(5)
    world.prune()
    world.passed += timedelta(hours=5)
    world.wrong = jump
    world.write(5)
    world.prune()
    world.passed += timedelta(hours=5)
    world.prune()
    world.wrong = timedelta()
    world.prune()

    assert len(world.kept()) == 10


def test_a_clock_that_jumped_ahead_is_trusted_after_a_day(world: World) -> None:
    world.write()
    world.prune()
    world.wrong = AHEAD
    world.prune()
    assert len(world.kept()) == 1
    world.passed += DAY
    world.prune()

    assert world.kept() == []


def test_a_clock_that_would_empty_the_log_is_not_trusted_at_the_start(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.write()
    world.file.close()
    world.wrong = AHEAD
    world.restart()
    world.write()
    world.prune()

    assert len(world.kept()) == 2
    assert "nothing is removed from the audit log by this time until" in caplog.text
    world.passed += DAY
    world.prune()
    assert world.kept() == ["r-1"]


def test_dates_before_those_of_pruned_requests_are_not_trusted(world: World) -> None:
    world.write(3)
    world.passed = DAY
    world.wrong = BEHIND
    world.write(3)
    world.wrong = timedelta()
    world.passed = KEEP + DAY / 2
    world.write()
    world.prune()
    assert world.kept() == ["r-3", "r-4", "r-5", "r-6"]

    world.passed = 2 * KEEP + DAY
    world.write()
    world.prune()
    assert world.kept() == ["r-7"]


def test_the_command_does_not_empty_the_log_by_a_clock_that_may_be_wrong(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(3, ago=5 * DAY))
    with closing(LogFile(db)) as file, file.transaction() as (connection, _):
        connection.execute("UPDATE chain SET started_utc = (SELECT min(received_utc) FROM request)")

    refused = command("--db", db, "prune", "--keep-days", 1, *ADA)
    assert refused.returncode == 2
    assert "by which all of the log would be too old: its newest date is" in refused.stderr
    assert len(read(db)) == 3

    done = command("--db", db, "prune", "--keep-days", 1, "--trust-clock", *ADA)
    assert (done.returncode, done.stdout) == (0, "3 requests pruned\n")


@pytest.mark.parametrize("days", ["999999", "1e300"])
def test_a_limit_beyond_the_calendar_keeps_everything(tmp_path: Path, days: str) -> None:
    write(tmp_path / "audit.db", *recent(3, ago=5 * DAY))

    done = command("--db", tmp_path / "audit.db", "prune", "--keep-days", days, *ADA)

    assert (done.returncode, done.stdout) == (0, "0 requests pruned\n")


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_an_invalid_limit_is_refused(tmp_path: Path, days: str) -> None:
    done = command("--db", tmp_path / "audit.db", "prune", f"--keep-days={days}", *ADA)

    assert done.returncode == 2
    assert "Invalid value for '--keep-days'" in done.stderr
    assert "Traceback" not in done.stderr


steps = st.lists(
    st.tuples(
        st.floats(0.1, 60).map(lambda hours: timedelta(hours=hours)),
        st.sampled_from(["write", "write", "write", "prune", "restart"]),
        st.sampled_from(
            [timedelta(), timedelta(), timedelta(minutes=20), -timedelta(minutes=20), AHEAD, BEHIND]
        ),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_under_any_clock_no_request_is_removed_early_or_kept_for_ever(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[timedelta, str, timedelta]]
) -> None:
    world = World(tmp_path_factory.mktemp("age") / "audit.db")
    world.write(2)
    for passed, what, wrong in steps:
        world.passed += passed / 2
        world.wrong = wrong
        before = {*world.kept()}
        if what == "write":
            world.write(3)
        elif what == "prune":
            world.prune()
        elif wrong < AHEAD:
            world.file.close()
            world.restart()
        gone = before - {*world.kept()}
        assert all(age > KEEP - timedelta(hours=2) for age in world.ages([*gone]))
        world.passed += passed / 2
        world.wrong = timedelta()
        world.write()
        world.prune()
    for _ in range(8):
        world.passed += KEEP / 3
        world.write()
        world.prune()
    kept = world.kept()
    world.file.close()

    assert all(age < KEEP + 2 * DAY for age in world.ages(kept))
    assert verify(world.db).ok
