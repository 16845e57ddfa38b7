"""The tree over the entries: its hashes, and what stays provable whatever was pruned or redacted."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.act import SERVICE, make_act
from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.tree.fold import fold
from service.audit.tree.log_tree import LogTree, extend
from service.audit.tree.merkle import EMPTY_ROOT, path_of, root_from_path, root_of
from service.audit.tree.tile import LEAVES, TreeBroken
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import BY_ADA, numbered, packed
from tests.support.audit.rfc6962 import audit_path, tree_head

_EVERY = """
    SELECT id, hash FROM request UNION ALL SELECT id, hash FROM event UNION ALL SELECT id, hash FROM ledger
"""
_CT_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
_CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The roots of the first leaves, as in the tests of Certificate Transparency."""

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([1, 2, 100, 254, 255, 256, 257, 300])),
        st.tuples(st.just("act"), st.integers(1, 3)),
        st.tuples(st.just("prune"), st.integers(1, 400)),
        st.tuples(st.just("redact"), st.integers(0, 600)),
        st.tuples(st.just("checkpoint"), st.just(0)),
        st.tuples(st.just("extend"), st.just(0)),
    ),
    max_size=12,
)


def test_the_hashes_are_those_of_certificate_transparency() -> None:
    data = [bytes.fromhex(leaf) for leaf in _CT_LEAVES]
    assert [tree_head(data[: size + 1]).hex() for size in range(len(data))] == _CT_ROOTS
    for size in range(1, len(data) + 1):
        assert root_of(size, lambda height, place: _subtree(data, height, place)).hex() == _CT_ROOTS[size - 1]
    assert root_of(0, lambda *_: b"") == EMPTY_ROOT


@given(st.integers(1, 600), st.data())
def test_a_proof_is_the_audit_path_of_the_standard(size: int, draw: st.DataObject) -> None:
    data = [number.to_bytes(2) for number in range(size)]
    index = draw.draw(st.integers(0, size - 1))
    path = path_of(index, size, lambda height, place: _subtree(data, height, place))
    assert path == audit_path(index, data)
    leaf = tree_head([data[index]])
    assert root_from_path(leaf, index, size, path) == tree_head(data)
    assert root_from_path(leaf, index, size, [*path, leaf]) is None
    if path:
        assert root_from_path(leaf, index, size, path[:-1]) is None


def _subtree(data: list[bytes], height: int, place: int) -> bytes:
    return tree_head(data[place << height : place + 1 << height])


class _History:
    """A log, and every hash that it ever had."""

    def __init__(self, folder: Path) -> None:
        self.file = LogFile(folder / "audit.db")
        self.hashes: dict[int, bytes] = {}
        self.written = 0

    def run(self, kind: str, number: int) -> None:
        match kind:
            case "write":
                self.file.write(packed(numbered(number, first=self.written)))
                self.written += number
            case "act":
                for _ in range(number):
                    with self.file.transaction() as (_, tail):
                        tail.add_act(make_act("read", SERVICE, {}))
            case "prune":
                with self.file.transaction() as (connection, tail):
                    prune_step(
                        connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), number
                    )
            case "redact":
                redact(self.file, f"r-{number}", *BY_ADA, 1)
            case "checkpoint":
                take_checkpoint(self.file.path, self.file.path.with_name("key.pem"), [])
            case "extend":
                with closing(open_for_writing(self.file.path)) as connection:
                    extend(connection)
        self.hashes |= dict(_fetch(self.file.path, _EVERY))


def _fetch(db: Path, sql: str) -> list[Any]:
    with closing(open_for_reading(db)) as connection:
        return connection.execute(sql).fetchall()


@settings(max_examples=60, deadline=None)
@given(_STEPS)
def test_every_entry_that_is_left_has_a_proof(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        history = _History(Path(folder))
        for step in steps:
            history.run(*step)
        history.run("checkpoint", 0)
        history.file.close()
        _check(history)


def _check(history: _History) -> None:
    every = [history.hashes[id_] for id_ in sorted(history.hashes)]
    index = {id_: place for place, id_ in enumerate(sorted(history.hashes))}
    with closing(open_for_reading(history.file.path)) as connection:
        tree = LogTree(connection)
        assert tree.size() == len(every)
        for size, root in _fetch(history.file.path, "SELECT size, root FROM checkpoint"):
            assert tree.root(size) == root == tree_head(every[:size])
        assert tree.root(len(every)) == tree_head(every)
        left: dict[int, bytes] = dict(_fetch(history.file.path, _EVERY))
        for id_ in [*left][:: max(1, len(left) // 40)]:
            place = tree.find(id_)
            assert place == (index[id_], history.hashes[id_])
            assert tree.path(index[id_], len(every)) == audit_path(index[id_], every)
        # All others are folded.
        assert connection.execute("SELECT count(*) < ? FROM pruned_leaf", (2 * LEAVES,)).get


def test_a_tile_without_acts_leaves_one_node_when_it_is_pruned(tmp_path: Path) -> None:
    history = _History(tmp_path)
    for step in (("write", 600), ("checkpoint", 0), ("prune", 300), ("checkpoint", 0)):
        history.run(*step)
    history.file.close()
    with closing(open_for_reading(history.file.path)) as connection:
        assert connection.execute("SELECT count(*) FROM pruned_node").get == 0
        assert connection.execute("SELECT count(*) FROM pruned_leaf").get == 300 - LEAVES
        with pytest.raises(TreeBroken, match="leaf 128 of the tree is gone"):
            LogTree(connection).path(0, 600)
    _check(history)


def test_nodes_above_the_tiles_are_stored(tmp_path: Path) -> None:
    history = _History(tmp_path)
    history.run("write", 256 * 256 + 10)
    history.run("checkpoint", 0)
    history.file.close()
    with closing(open_for_reading(history.file.path)) as connection:
        assert connection.execute("SELECT count(*) FROM tree_node WHERE level = 2").get == 1
        every = [hash_ for _, hash_ in sorted(history.hashes.items())]
        assert LogTree(connection).root(len(every)) == tree_head(every)
        assert LogTree(connection).path(70, len(every)) == audit_path(70, every)


def test_a_step_of_the_building_is_added_or_not_at_all(tmp_path: Path) -> None:
    history = _History(tmp_path)
    history.run("write", 600)
    history.file.close()
    with closing(open_for_writing(history.file.path)) as connection:
        connection.execute("CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.tree_node WHEN NEW.number = 1 "
                           "BEGIN SELECT raise(ABORT, 'full'); END")  # fmt: skip
        with pytest.raises(apsw.ConstraintError):
            extend(connection)
        assert connection.execute("SELECT count(*) FROM tree_node").get == 0
        assert not fold(connection)
