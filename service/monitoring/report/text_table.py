"""A table of a terminal: cells aligned to the left, without columns that are empty in every row."""

from collections.abc import Iterator, Sequence


def text_table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The lines, indented; every row has as many cells."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        yield f"  {'  '.join(cells)}".rstrip()
