import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from training.table.columns.distinct import DistinctTexts
from training.table.source.reading import read_table
from training.table_errors import ColumnsDuplicated, TableUnreadable


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def texts(path: Path) -> dict[str, list[object]]:
    return {name: column.to_pylist() for name, column in read_table(path).columns.items()}


def test_the_digest_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n"
    table = read_table(write(tmp_path / "rows.csv", content))
    assert table.sha256 == hashlib.sha256(content).hexdigest()
    assert table.name == "rows"


def test_spaces_around_values_and_names_are_not_part_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b'a , b\n 1 , x \n2," y"\n')
    table = read_table(path)
    columns = {name: DistinctTexts.of(column).texts.to_pylist() for name, column in table.columns.items()}
    assert columns == {"a": ["1", "2"], "b": ["x", "y"]}


def test_a_csv_may_begin_with_a_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"\xef\xbb\xbf\r\na,b\r\n1,2\r\n")
    assert texts(path) == {"a": ["1"], "b": ["2"]}


def test_quoted_fields_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b'a,"b,\nc"\n"x,\n""y""",2\n')
    assert texts(path) == {"a": ['x,\n"y"'], "b,\nc": ["2"]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"a\n1\n", "one column.*--delimiter"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n3\n", r"row 2 \(line 3\) has 1 fields, the header 2"),
        (b"a,b\n1,2,3\n", r"row 1 \(line 2\) has 3 fields, the header 2"),
        (b"a,b\n\xff,2\n", "line 2 is not UTF-8.*--encoding cp1252"),
        (b"PAR1 and then nothing of it", "Parquet"),
    ],
    ids=["empty", "one column", "header only", "short row", "long row", "not utf-8", "broken parquet"],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(TableUnreadable, match=reason):
        read_table(write(tmp_path / "t.csv", content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableUnreadable, match="No such file"):
        read_table(tmp_path / "nowhere.csv")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnsDuplicated, match="'a'"):
        read_table(write(tmp_path / "t.csv", b"a,b,a\n1,2,3\n"))


def test_a_column_without_a_name_is_left_out_and_said_so(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", b",a\n0,x\n1,y\n"))
    assert list(table.columns) == ["a"]
    assert table.notes == ("column 1 has no name (a saved index?); it was left out",)


def test_parquet_is_known_by_its_content_not_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "table.data"
    pa.parquet.write_table(pa.table({"a": [1, None], "b": ["", "x"]}), path)
    table = read_table(path)
    assert table.typed
    assert texts(path) == {"a": [1, None], "b": ["", "x"]}


@pytest.mark.parametrize(("name", "columns"), [(None, ["a"]), ("key", ["a", "key"])])
def test_a_dataframes_index_is_a_column_if_it_has_a_name(
    tmp_path: Path, name: str | None, columns: list[str]
) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 9], name=name))
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").columns) == columns


def test_dictionaries_and_large_strings_are_read_as_their_values(tmp_path: Path) -> None:
    columns = {
        "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
        "large": pa.array(["x", "", "z"], pa.large_string()),
        "view": pa.array(["x", "y", "z"], pa.string_view()),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert texts(tmp_path / "t.parquet") == {
        "dictionary": ["x", "y", "x"],
        "large": ["x", "", "z"],
        "view": ["x", "y", "z"],
    }
