"""Checks a receipt or a bundle of an audit log, offline: python verifier.py [--key KEY] FILE.

It needs Python 3.11, and the package ``cryptography`` to check the signature; it checks the hashes without.
KEY is the verifier key of the log, from a source that you trust. Exit code 0: proven; 1: refuted; 2: neither.
"""

import base64
import json
import re
import struct
import sys
import zipfile
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

RECORD = ["request_id", "received_utc", "transport", "route", "status", "duration_ms", "model_name",
          "model_version", "rows", "request_cut_bytes", "flags", "key_name"]  # fmt: skip
ACT = ["kind", "recorded_utc", "act_id", "actor", "actor_kind", "system_user", "reason", "request", "subject",
       "detail_json"]  # fmt: skip
Signed = tuple[str, int, bytes, datetime, bool]  # text, size, root, time, whether signatures were checked


def need(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def fields(value: Any, names: list[str]) -> list[Any]:
    need(isinstance(value, dict) and {*value} == {*names}, f"its fields are not {', '.join(names)}")
    return [value[name] for name in names]


def digest(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def unhex(value: str) -> bytes:
    need(bytes.fromhex(value).hex() == value, f"{value!r} is not hexadecimal")
    return bytes.fromhex(value)


def unbase64(value: str) -> bytes:
    found = base64.b64decode(value, validate=True)
    need(base64.b64encode(found).decode() == value, f"{value!r} is not base64")
    return found


def bits(number: float) -> str:
    need(type(number) is float, f"{number!r} is not a number with a point")
    return struct.pack(">d", number + 0.0).hex()


def body(value: Any) -> bytes:
    (kind,) = value
    return unbase64(*fields(value, ["base64"])) if kind == "base64" else fields(value, ["text"])[0].encode()


def content_hash(content: Any, has_subject: bool) -> bytes:
    names = ["salt", "client", "labels", "request", "response"] + ["subject"] * has_subject
    salt, client, labels, request, response, *subject = fields(content, names)
    rows = [[*of, bits(low), bits(high), steps] for *of, low, high, steps in labels]
    request, response = body(request), body(response)
    return digest(unhex(salt), text([client, rows, len(request), len(response), *subject]), request, response)


def entry_hash(entry: dict[str, Any]) -> bytes:
    content, is_act = "content" if "content" in entry else "content_sha256", entry["entry"] == "act"
    of_kind = ["act"] if is_act else ["chain_format", "record", content]
    fields(entry, ["entry", "id", "seq", "hash_before", "proof", *of_kind])
    need({type(entry.get(name, 2)) for name in ("id", "seq", "chain_format")} == {int}, "it has no place")
    place, before = [entry["entry"], entry["id"], entry["seq"]], unhex(entry["hash_before"])
    if is_act:
        return digest(before, text([*place, *fields(entry["act"], ACT)]))
    need(entry["entry"] == "request" and entry["chain_format"] in (1, 2), "it is neither a record nor an act")
    is_second = entry["chain_format"] == 2
    values = fields(entry["record"], RECORD + ["model_id"] * is_second)
    values[5] = bits(values[5])
    hidden = content_hash(entry[content], is_second) if content == "content" else unhex(entry[content])
    return digest(before, text([*place, *values]), hidden)


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    need(index < size, "it is not among the entries that the checkpoint covers")
    last, found = size - 1, leaf
    for sibling in path:
        need(last and len(sibling) == 32, "its proof is too long")
        if index & 1 or index == last:
            found = digest(b"\1", sibling, found)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            found = digest(b"\1", found, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "its proof is too short")
    return found


def checkpoint(note: str, log_id: str, verifier_key: str) -> Signed:
    """Read a signed checkpoint: C2SP tlog-checkpoint, signed-note and tlog-cosignature."""
    origin = f"tabento/{log_id}"
    name, key_id, encoded = verifier_key.split("+", 2)
    key = unbase64(encoded)[1:]
    ids = [digest(origin.encode(), b"\n", kind, key)[:4] for kind in (b"\1", b"\4")]
    need((name, b"\1", key_id) == (origin, unbase64(encoded)[:1], ids[0].hex()), "the key is not of the log")
    form = r"((.+)\n(0|[1-9][0-9]*)\n(.+)\n)" + r"\n\u2014 (.+) (.+)" * 2 + r"\n"
    match = re.fullmatch(form, note) or [""] * 9
    signed, stated, size, root, name_1, first_64, name_2, second_64 = (match[group] for group in range(1, 9))
    need(stated == name_1 == name_2 == origin, "the checkpoint is not one of this log")
    first, second = unbase64(first_64), unbase64(second_64)
    need([first[:4], second[:4]] == ids, "the checkpoint is signed by another key")
    time = int.from_bytes(second[4:12], "big")
    timed = f"cosignature/v1\ntime {time}\n{signed}".encode()
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        public_key, is_checked = Ed25519PublicKey.from_public_bytes(key), True
        public_key.verify(first[4:], signed.encode())
        public_key.verify(second[12:], timed)
    except ImportError:
        is_checked = False
    except Exception as error:
        raise ValueError("the signature of the checkpoint is wrong") from error
    return note, int(size), unbase64(root), datetime.fromtimestamp(time, UTC), is_checked


def check_entry(entry: dict[str, Any], signed: Signed, models: set[str]) -> str:
    lines, _, note = entry["proof"].partition("\n\n")
    first, index, *path = lines.split("\n")
    need(
        re.fullmatch(r"c2sp\.org/tlog-proof@v1 index (0|[1-9][0-9]*)", f"{first} {index}"), "it has no proof"
    )
    need(note == signed[0], "its proof is of another checkpoint")
    root = root_of(digest(b"\0", entry_hash(entry)), int(index[6:]), signed[1], [*map(unbase64, path)])
    need(root == signed[2], "it was changed, or is not in the log")
    if act := entry.get("act"):
        models.update([act["act_id"]] * (act["kind"] == "model"))
        what = f"{act['kind']} by {act['actor']}, {act['recorded_utc']}: {act['detail_json']}"
        return f"act {entry['id']}: {what}"
    record = entry["record"]
    model_id = record.get("model_id") or ""
    need(not model_id or f"model:{model_id}" in models, f"the card of model {model_id} is not in the file")
    model = f"model {record['model_name']} {record['model_version']} ({model_id or 'card not known'})"
    what = f"request {record['request_id']!r}, received {record['received_utc']}, status {record['status']}"
    return f"record {entry['id']}: {what}, {model}, {'with' if 'content' in entry else 'without'} its content"


def check(header: Any, entries: Iterable[Any], key: str | None) -> int:
    """Check a file and print what it proves; returns the exit code, or raises an error."""
    form, log_id, verifier_key, stamps = fields(header, ["format", "log_id", "verifier_key", "timestamps"])
    need(form in ("tabento receipt 1", "tabento bundle 1"), "its format is not known")
    need(key in (None, verifier_key), f"it is signed by another key, {verifier_key}")
    signed: Signed | None = None
    models: set[str] = set()
    for count, entry in enumerate(entries, 1):
        signed = signed or checkpoint(entry["proof"].partition("\n\n")[2], log_id, verifier_key)
        print(count, check_entry(entry, signed, models))
    need(signed and (form == "tabento bundle 1" or "record" in entry), "it has no record")
    note, size, _, time, is_checked = signed or ("", 0, b"", 0, False)
    stamped = b"\4\x20" + digest(note.encode())
    need(all(stamped in unbase64(stamp) for stamp in stamps), "a time-stamp is of something else")
    print(f"these are among the first {size} entries of log {log_id}, by the checkpoint of {time}")
    print(f"time-stamps, to be checked with openssl ts: {len(stamps)}; key: {verifier_key}")
    trust = "" if key else ", if this key is the log's: compare it with one from a source that you trust"
    print(f"proven{trust}" if is_checked else "not proven: install `cryptography` to check the signature")
    return 0 if is_checked else 2


def read(path: str) -> tuple[Any, Iterable[Any]]:
    file = zipfile.ZipFile(path).open("bundle.jsonl") if zipfile.is_zipfile(path) else open(path, "rb")  # noqa: PTH123, SIM115
    if (first := file.readline()).rstrip() != b"{":
        return json.loads(first), map(json.loads, file)
    receipt = json.loads(first + file.read())
    return receipt, receipt.pop("entries")


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--key", help="the verifier key of the log")
    options = parser.parse_args()
    try:
        return check(*read(options.file), options.key)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        print(f"not proven: {options.file} cannot be read: {error}")
        return 2
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        print(f"refuted: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
