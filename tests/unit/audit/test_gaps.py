"""Lost records of relaxed mode are counted until they are stated, once."""

from pathlib import Path

from service.audit.write.gap import GapCounter, GapEvent
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import numbered, packed


def test_a_gap_is_counted_until_it_is_stated() -> None:
    gap = GapCounter()
    gap.add("2026-07-04T09:00:01.000000Z")
    first = gap.next_event()
    assert first is not None
    gap.add("2026-07-04T09:00:03.000000Z")
    gap.add("2026-07-04T09:00:02.000000Z")
    assert gap.next_event() is None
    assert (gap.records, gap.sent, gap.is_due) == (3, first, False)

    gap.confirm("another")
    assert gap.sent == first
    gap.confirm(first.gap_id)
    second = gap.next_event()
    assert second is not None
    assert second[1:] == (2, "2026-07-04T09:00:02.000000Z", "2026-07-04T09:00:03.000000Z")
    gap.confirm(second.gap_id)
    assert not gap


def test_the_next_writer_finds_the_gap_and_the_records_that_the_last_one_committed(tmp_path: Path) -> None:
    records = packed([*numbered(3), *numbered(1), *numbered(1)])
    gap = GapEvent("a" * 32, 2, "2026-07-04T09:00:01.000000Z", "2026-07-04T09:00:02.000000Z")
    before = LogFile(tmp_path / "audit.db")
    before.write(records[:4], gap)
    before.close()

    after = LogFile(tmp_path / "audit.db")
    lost = packed(numbered(1, first=9))[0][:2]
    asked = [records[0][:2], lost, records[3][:2], records[4][:2]]
    assert after.find_records(asked, gap) == ([True, False, True, False], True)
    assert after.find_records([], gap._replace(gap_id="b" * 32)) == ([], False)
    after.close()
