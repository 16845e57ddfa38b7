"""Windows: slots merged forward until they hold rows enough.

The slots alone decide where a window ends, so the same log gives the same windows, whenever it is read.
"""

from collections.abc import Sequence

from service.monitoring.spans import Slot, Window


def merge_slots(
    slots: Sequence[Slot], *, slot_s: int, min_rows: int, now_s: int, rows_at: int
) -> list[Window]:
    """The windows of slots of ``slot_s`` seconds, oldest first.

    ``rows_at`` is the place of the number of rows in their counts. A window begins with its first slot, and
    ends with the slot in which it has ``min_rows``. Only the last one can be incomplete: it holds too few
    rows, or its last slot is not over at ``now_s``.
    """
    windows: list[Window] = []
    open_slots: list[Slot] = []
    rows = 0
    for slot in sorted(slots, key=lambda each: each.start_s):
        open_slots.append(slot)
        rows += int(slot.counts[rows_at])
        if rows >= min_rows:
            end_s = slot.start_s + slot_s
            windows.append(_window(open_slots, end_s, is_complete=end_s <= now_s))
            open_slots, rows = [], 0
    if open_slots:
        windows.append(_window(open_slots, open_slots[-1].start_s + slot_s, is_complete=False))
    return windows


def _window(slots: Sequence[Slot], end_s: int, *, is_complete: bool) -> Window:
    counts = slots[0].counts.copy()
    for slot in slots[1:]:
        counts += slot.counts
    return Window(slots[0].start_s, end_s, is_complete, counts)
