"""One table in every supported format, delimiter and encoding is one dataset; other formats are refused."""

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from training.table.columns.number_texts import Decimal
from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.table.source.reading import SourceOptions, read_table
from training.table_errors import (
    ColumnsDuplicated,
    DatabaseRefused,
    DelimiterUnknown,
    FormatUnsupported,
    TableUnreadable,
)

ROWS = 60


def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "x": np.round(random.normal(size=ROWS), 2),
            "n": random.integers(0, 90, ROWS),
            "c": random.choice(["caf\u00e9", "b; c, d", 'a "quoted" text', "two\nlines"], ROWS),
            "day": pd.date_range("2024-01-01", periods=ROWS).astype(str),
            "y": np.where(np.arange(ROWS) % 2, "yes", "no"),
        }
    )


class CheckSame(Protocol):
    def __call__(self, data: Path | str, source: SourceOptions | None = None) -> None: ...


@pytest.fixture(scope="module")
def check_same(tmp_path_factory: pytest.TempPathFactory) -> CheckSame:
    """A check that another source is read as the same dataset as a plain CSV file."""
    path = tmp_path_factory.mktemp("plain") / "table.csv"
    frame().to_csv(path, index=False)
    expected = load_dataset(path, "y")

    def check(data: Path | str, source: SourceOptions | None = None) -> None:
        dataset = load_dataset(data, "y", TableOptions(source or SourceOptions()))
        assert dataset.contract == expected.contract
        pd.testing.assert_frame_equal(dataset.frame, expected.frame)
        np.testing.assert_array_equal(dataset.labels, expected.labels)

    return check


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_delimiters_and_decimal_separators_are_detected(
    tmp_path: Path, check_same: CheckSame, delimiter: str, decimal: Decimal
) -> None:
    path = tmp_path / "table.csv"
    frame().to_csv(path, index=False, sep=delimiter, decimal=decimal)
    check_same(path)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_line_endings_and_marked_encodings_are_detected(tmp_path: Path, encoding: str, ending: str) -> None:
    text = frame().replace("two\nlines", "two lines").to_csv(index=False, lineterminator=ending)
    content = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    dataset = load_dataset(path, "y")
    assert dataset.contract.features[2].categories == ('a "quoted" text', "b; c, d", "caf\u00e9", "two lines")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-be"])
def test_other_encodings_are_read_if_they_are_named(
    tmp_path: Path, check_same: CheckSame, encoding: str
) -> None:
    path = tmp_path / "table.csv"
    frame().to_csv(path, index=False, encoding=encoding)
    check_same(path, SourceOptions(encoding=encoding))


def test_other_encodings_are_suggested(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("x,c,y\n1,a,u\n2,caf\u00e9,v\n".encode("cp1252"))
    with pytest.raises(TableUnreadable, match=r"line 3 is not UTF-8\. Use --encoding cp1252"):
        read_table(path)


def test_gzip_is_known_by_its_content(tmp_path: Path, check_same: CheckSame) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(frame().to_csv(index=False).encode()))
    check_same(path)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: "sep=,\r\n" + text,
        lambda text: "# exported 2024, by hand\n# again\n" + text,
        lambda text: text.replace(",y\n", ",y,\n", 1),
        lambda text: "\n\n" + text,
        lambda text: text.rstrip("\n"),
    ],
    ids=["sep line", "comments", "delimiter after the header", "blank lines", "no end of line"],
)
def test_lines_around_the_rows_are_no_rows(
    tmp_path: Path, check_same: CheckSame, written: Callable[[str], str]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(written(frame().to_csv(index=False)), newline="")
    check_same(path)


def test_a_delimiter_at_the_end_of_every_row_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    text = frame().replace("two\nlines", "two lines").to_csv(index=False, lineterminator=",\n")
    path.write_text(text.replace(",\n", "\n", 1))
    assert [feature.name for feature in load_dataset(path, "y").contract.features] == ["x", "n", "c", "day"]


def test_a_header_may_begin_with_a_number_sign(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("#chrom\tpos\tlabel\n1\t2\ta\n")
    assert list(read_table(path).columns) == ["#chrom", "pos", "label"]


def test_two_possible_delimiters_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b;c,d\n1,2;3,4\n5,6;7,8\n")
    with pytest.raises(DelimiterUnknown, match=r"',' or ';'.*--delimiter"):
        read_table(path)
    assert list(read_table(path, SourceOptions(delimiter=";")).columns) == ["a,b", "c,d"]


def test_a_quotation_mark_that_is_never_closed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,2\n3,"4\n5,6\n')
    with pytest.raises(TableUnreadable, match="quotation mark that is opened after line 2 is not closed"):
        read_table(path)


def test_parquet_and_folders_of_parquet(tmp_path: Path, check_same: CheckSame) -> None:
    typed = frame().assign(day=lambda table: pd.to_datetime(table["day"]))
    typed.to_parquet(tmp_path / "one.data")
    check_same(tmp_path / "one.data")
    for part, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        (tmp_path / "folder" / "deep").mkdir(parents=True, exist_ok=True)
        typed.iloc[rows].to_parquet(tmp_path / "folder" / "deep" / f"part-{part}.parquet")
    (tmp_path / "folder" / "_SUCCESS").touch()
    check_same(tmp_path / "folder")


def test_a_part_of_a_path_is_a_column(tmp_path: Path) -> None:
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        pa.parquet.write_table(pa.table({"x": [1, 2]}), tmp_path / f"year={year}" / "part.parquet")
    assert read_table(tmp_path).columns["year"].to_pylist() == ["2023", "2023", "2024", "2024"]


def test_files_of_a_folder_that_differ_are_named(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pa.parquet.write_table(pa.table({"z": [1]}), tmp_path / "b.parquet")
    with pytest.raises(TableUnreadable, match=r"a\.parquet and b\.parquet.*'x', 'z' are not in both"):
        read_table(tmp_path)


def test_a_query_of_sqlite_is_read_only(tmp_path: Path, check_same: CheckSame) -> None:
    path = tmp_path / "rows.sqlite"
    with sqlite3.connect(path) as connection:
        frame().to_sql("loans", connection, index=False)
    address = f"sqlite:///{path}"
    check_same(address, SourceOptions(query="SELECT * FROM loans"))
    with pytest.raises(DatabaseRefused, match="readonly"):
        read_table(address, SourceOptions(query="DELETE FROM loans"))
    with pytest.raises(DatabaseRefused, match="no such table: nowhere"):
        read_table(address, SourceOptions(query="SELECT * FROM nowhere"))
    with pytest.raises(DatabaseRefused, match="--query"):
        read_table(address)
    with pytest.raises(DatabaseRefused, match="--query needs a database"):
        read_table(path, SourceOptions(query="SELECT 1"))
    connection.close()


def zipped(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "")
    return content.getvalue()


def feather() -> bytes:
    content = io.BytesIO()
    pyarrow.feather.write_feather(pa.table({"x": [1]}), content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped("xl/workbook.xml"), r"Excel workbook \(\.xlsx\).*read_excel\('.*table\.csv'\)\.to_csv"),
        (zipped("inside.csv"), "a ZIP archive.*unzip"),
        (feather(), "Feather file.*read_feather.*to_parquet"),
        (json.dumps([{"x": 1}, {"x": 2}]).encode(), "JSON rows.*read_json"),
        (b'{"x": 1}\n{"x": 2}\n', "JSON rows.*lines=True"),
        (b"\x28\xb5\x2f\xfd....", "zstd -d"),
        (b"SQLite format 3\0....", "sqlite:///.*--query"),
        (b"<!DOCTYPE html><table>", "HTML"),
    ],
    ids=["xlsx", "zip", "feather", "json", "json lines", "zstd", "sqlite", "html"],
)
def test_other_formats_are_refused_with_the_command_that_converts_them(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(FormatUnsupported, match=words):
        read_table(path)


@pytest.mark.parametrize(
    "content",
    [b"PAR1", b"PAR1" + b"\0" * 200, gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:40]],
    ids=["magic alone", "zeros", "gzip cut off"],
)
def test_a_damaged_file_is_refused_without_a_parsers_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableUnreadable, match="damaged"):
        read_table(path)


class TestParquetsTypes:
    def test_a_decimal_and_a_short_float_are_the_numbers_that_were_written(self, tmp_path: Path) -> None:
        cents = [35, 29_999, 2_274] * 10
        exact = pa.array(np.array(cents) / 100).cast(pa.decimal128(10, 2))
        table = pa.table(
            {
                "price": exact,
                "short": pa.array([2.55, 0.1, -3.7] * 10, pa.float32()),
                "y": ["a", "b", "a"] * 10,
            }
        )
        pa.parquet.write_table(table, tmp_path / "t.parquet")
        price, short = load_dataset(tmp_path / "t.parquet", "y").contract.features
        assert (price.observed_minimum, price.observed_maximum) == (0.35, 299.99)
        assert (short.observed_minimum, short.observed_maximum) == (-3.7, 2.55)

    def test_large_decimals_are_identifiers_and_never_rounded(self, tmp_path: Path) -> None:
        ids = pa.array([10**18 + n for n in range(30)]).cast(pa.decimal128(38, 0))
        pa.parquet.write_table(
            pa.table({"x": [n / 3 for n in range(30)], "id": ids, "y": ["a", "b"] * 15}), tmp_path / "t"
        )
        dataset = load_dataset(tmp_path / "t", "y")
        assert [feature.name for feature in dataset.contract.features] == ["x"]
        assert "'id' has integers of 2**53 and more" in dataset.notes[0]
        options = TableOptions(kinds={"id": "category"}, keep=("id",))
        kept = load_dataset(tmp_path / "t", "y", options)
        assert kept.frame["id"].tolist() == [str(10**18 + n) for n in range(30)]

    def test_a_period_is_its_first_day(self, tmp_path: Path) -> None:
        months = pd.period_range("2024-01", periods=6, freq="M")
        pd.DataFrame({"month": months, "y": ["a", "b"] * 3}).to_parquet(tmp_path / "t")
        assert [str(day) for day in read_table(tmp_path / "t").columns["month"].to_pylist()[:2]] == [
            "2024-01-01",
            "2024-02-01",
        ]

    def test_two_columns_of_one_name_are_refused(self, tmp_path: Path) -> None:
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
        pa.parquet.write_table(table, tmp_path / "t")
        with pytest.raises(ColumnsDuplicated, match="'x'"):
            read_table(tmp_path / "t")
