"""The options of ``python -m training`` that say how a table is read.

They are parsed without the libraries that read it, so that ``--help`` is quick.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from training.table.columns.number_texts import Decimal
    from training.table.columns.text_column import Kind
    from training.table.options import TableOptions

KINDS = ("float", "integer", "boolean", "category", "date", "datetime", "day-first", "month-first")

_SEVERAL = ("--drop", "--keep")
"""Options that take one value or more."""


@dataclass(frozen=True)
class TableArguments:
    """The options as they were given."""

    query: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: "Decimal | None" = None
    missing: tuple[str, ...] = ()
    kinds: "tuple[tuple[Kind, str], ...]" = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    reference_date: date | None = None

    def options(self, contract: Path | None) -> "TableOptions":
        """The options of reading, with the override file; raises InputRefused."""
        from training.table.options import TableOptions
        from training.table.overrides import Overrides, read_overrides
        from training.table.source.file_content import check_encoding
        from training.table.source.reading import SourceOptions

        encoding = None if self.encoding is None else check_encoding(self.encoding)
        kinds: Mapping[str, Kind] = {column: kind for kind, column in self.kinds}
        return TableOptions(
            SourceOptions(self.delimiter, encoding, self.query),
            drop=self.drop,
            keep=self.keep,
            missing=self.missing,
            decimal=self.decimal,
            kinds=kinds,
            reference_date=self.reference_date,
            overrides=Overrides() if contract is None else read_overrides(contract),
        )


class SeveralValues(click.Command):
    """A command whose --drop and --keep take one value or more; click's own options take a fixed number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with one column for each option."""
        return super().parse_args(ctx, list(_one_column_an_option(args)))


def _one_column_an_option(args: Sequence[str]) -> Iterator[str]:
    """``--drop A B`` as ``--drop A --drop B``."""
    option = None
    for before, arg in zip(("", *args), args, strict=False):
        is_value = not arg.startswith("-")
        if option and is_value and before != option:
            yield option
        option = arg if arg in _SEVERAL else option if is_value else None
        yield arg


def _delimiter(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text in ("tab", "\\t"):
        return "\t"
    if text is not None and (len(text) != 1 or text in '"\r\n'):
        raise click.BadParameter(f"{text!r} is not one character, or the word tab.")
    return text


def _day(_: click.Context, __: click.Parameter, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a day in ISO 8601, such as 2024-03-15.") from None


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option("--query", metavar="SQL", help="The rows of a database, read-only."),
    click.option(
        "--delimiter",
        callback=_delimiter,
        metavar="CHARACTER",
        help="What separates the fields of a CSV file; tab for the tab character. It is detected otherwise.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of a CSV file, such as cp1252. Otherwise UTF-8, or UTF-16 with a byte order mark.",
    ),
    click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="The decimal separator of numbers in a CSV file. It is detected otherwise.",
    ),
    click.option(
        "--missing",
        multiple=True,
        metavar="TEXT",
        help="A text that stands for a missing value; repeatable. With none-but-empty, texts such as NA and "
        "None stay texts.",
    ),
    click.option(
        "--as",
        "kinds",
        nargs=2,
        type=(click.Choice(KINDS), str),
        multiple=True,
        metavar="KIND COLUMN",
        help=f"Read a column as {', '.join(KINDS[:-1])} or {KINDS[-1]}; repeatable.",
    ),
    click.option("--drop", multiple=True, metavar="COLUMN [COLUMN ...]", help="Columns to leave out."),
    click.option(
        "--keep",
        multiple=True,
        metavar="COLUMN [COLUMN ...]",
        help="Columns to use although they look like identifiers.",
    ),
    click.option(
        "--reference-date",
        callback=_day,
        metavar="DAY",
        help="The day that ages of dates are relative to. By default the latest day in the table.",
    ),
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of reading a table."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
