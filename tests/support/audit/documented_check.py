"""A check of receipts, written from docs/reference/receipts.md and the standards it names alone."""

import base64
import hashlib
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COVERED = """
    request_id received_utc transport route status duration_ms model_name model_version rows request_cut_bytes
    flags key_name model_id
""".split()  # noqa: SIM905
ACT = """
    kind recorded_utc act_id actor actor_kind system_user reason request subject detail_json
""".split()  # noqa: SIM905


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def double(number: float) -> str:
    return struct.pack(">d", number).hex()


def body(value: dict[str, str]) -> bytes:
    return value["text"].encode() if "text" in value else base64.b64decode(value["base64"])


def content_hash(content: dict[str, Any]) -> bytes:
    request, response = body(content["request"]), body(content["response"])
    labels = [[*row[:3], double(row[3]), double(row[4]), row[5]] for row in content["labels"]]
    text = canonical([content["client"], labels, len(request), len(response), content["subject"]])
    return hashlib.sha256(bytes.fromhex(content["salt"]) + text + request + response).digest()


def entry_hash(entry: dict[str, Any]) -> bytes:
    before = bytes.fromhex(entry["hash_before"])
    if entry["entry"] == "act":
        text = canonical(["act", entry["id"], entry["seq"], *(entry["act"][name] for name in ACT)])
        return hashlib.sha256(before + text).digest()
    values = [entry["record"][name] for name in COVERED]
    values[COVERED.index("duration_ms")] = double(entry["record"]["duration_ms"])
    redacted = bytes.fromhex(entry.get("content_sha256", ""))
    content = content_hash(entry["content"]) if "content" in entry else redacted
    text = canonical(["request", entry["id"], entry["seq"], *values])
    return hashlib.sha256(before + text + content).digest()


def root_of_proof(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2, in its own words."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn != 0
        if fn % 2 == 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            if fn % 2 == 0:
                while fn % 2 == 0 and fn != 0:
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r


def signatures(note: str, vkey: str) -> int:
    """Check the signatures of a C2SP note by a key; returns the time of the cosignature."""
    name, key_id, material = vkey.split("+", 2)
    public = base64.b64decode(material)[1:]
    key = Ed25519PublicKey.from_public_bytes(public)
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    time = 0
    for line in lines.splitlines():
        dash, signer, encoded = line.split(" ")
        assert (dash, signer) == ("\u2014", name)
        blob = base64.b64decode(encoded)
        id_, signature = blob[:4], blob[4:]
        if id_.hex() == key_id:
            key.verify(signature, text.encode())
        elif id_ == hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]:
            time = int.from_bytes(signature[:8], "big")
            key.verify(signature[8:], f"cosignature/v1\ntime {time}\n{text}".encode())
    return time


def check(receipt: dict[str, Any]) -> int:
    """Check a receipt; returns the number of its entries."""
    for entry in receipt["entries"]:
        head, note = entry["proof"].split("\n\n", 1)
        version, index, *path = head.split("\n")
        assert version == "c2sp.org/tlog-proof@v1"
        origin, size, root = note.split("\n")[:3]
        assert origin == f"tabento/{receipt['log_id']}"
        assert signatures(note, receipt["verifier_key"]) > 0
        leaf = hashlib.sha256(b"\x00" + entry_hash(entry)).digest()
        proof = [base64.b64decode(line) for line in path]
        found = root_of_proof(leaf, int(index.removeprefix("index ")), int(size), proof)
        assert found == base64.b64decode(root)
    return len(receipt["entries"])
