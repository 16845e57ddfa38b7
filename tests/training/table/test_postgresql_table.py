"""Tables of a PostgreSQL server, which is read and never written."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.postgresql import PASSWORD, postgresql
from tests.support.servers import free_port
from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.table.source.reading import SourceOptions, read_table
from training.table_errors import DatabaseRefused

MAKE = """
CREATE TABLE loans AS
SELECT n AS loan_id, round((n * 0.35)::numeric, 2) AS amount, date '2024-01-01' + n AS opened,
       timestamptz '2024-01-01 12:00+02' + n * interval '1 hour' AS seen, n % 3 = 0 AS employed,
       CASE WHEN n % 5 = 0 THEN NULL ELSE (ARRAY['car', 'house'])[1 + n % 2] END AS purpose,
       CASE WHEN n % 2 = 0 THEN 'yes' ELSE 'no' END AS repaid
FROM generate_series(1, 25000) AS n
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as address:
        with psycopg.connect(address) as connection:
            connection.execute(MAKE)
        yield address


def query(text: str) -> SourceOptions:
    return SourceOptions(query=text)


def test_a_query_is_a_table_with_the_types_of_its_columns(database: str) -> None:
    options = TableOptions(query("SELECT * FROM loans ORDER BY loan_id"))
    dataset = load_dataset(database, "repaid", options)
    features = {feature.name: feature for feature in dataset.contract.features}
    assert {name: feature.type for name, feature in features.items()} == {
        "amount": "float", "opened": "date", "seen": "datetime", "employed": "boolean", "purpose": "category",
    }  # fmt: skip
    assert len(dataset.labels) == 25_000
    assert (features["amount"].observed_minimum, features["amount"].observed_maximum) == (0.35, 8750.0)
    assert features["seen"].observed_minimum == "2024-01-01T11:00:00Z"
    assert features["purpose"].nullable
    assert "'loan_id' looks like an identifier" in dataset.notes[0]


def test_the_password_is_written_nowhere(database: str) -> None:
    table = read_table(database, query("SELECT 1 AS x, 2 AS y"))
    assert "secret" not in repr(table)
    assert ":***@127.0.0.1" in table.location
    wrong = database.replace("quite", "not")
    with pytest.raises(DatabaseRefused, match="password authentication failed") as refused:
        read_table(wrong, query("SELECT 1"))
    assert "secret" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "WITH gone AS (DELETE FROM loans RETURNING *) SELECT * FROM gone",
        "SELECT 1; DROP TABLE loans",
        "DROP TABLE loans",
        "SET TRANSACTION READ WRITE",
    ],
)
def test_a_statement_that_would_change_something_is_refused(database: str, statement: str) -> None:
    with pytest.raises(DatabaseRefused):
        read_table(database, query(statement))
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM loans").fetchone() == (25_000,)


def test_what_the_server_says_of_a_wrong_query_is_shown(database: str) -> None:
    with pytest.raises(DatabaseRefused, match='relation "nowhere" does not exist'):
        read_table(database, query("SELECT * FROM nowhere"))


def test_a_server_that_does_not_answer_is_named() -> None:
    address = f"postgresql://reader@127.0.0.1:{free_port()}/loans"
    with pytest.raises(DatabaseRefused, match=r"127\.0\.0\.1.*cannot be read"):
        read_table(address, query("SELECT 1"))
