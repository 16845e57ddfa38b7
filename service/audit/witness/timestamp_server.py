"""A time-stamp server as a witness: RFC 3161, over HTTP.

The request is the DER of a TimeStampReq (https://www.rfc-editor.org/rfc/rfc3161#section-2.4.1) with the
SHA-256 of the checkpoint, a nonce, and the wish for the server's certificate. The token of the answer is
stored as it is. ``openssl ts -verify`` checks it. Here is only checked that it names the checkpoint and the
nonce.
"""

import os
from hashlib import sha256
from http.client import HTTPException
from urllib.request import Request, urlopen

from service.audit.witness.witnesses import VARIABLE, WitnessFailed
from service.errors import SettingInvalid

_TIMEOUT_S = 15.0
_ANSWER_LIMIT_BYTES = 64 * 1024
_SHA_256 = bytes.fromhex("300d06096086480165030402010500")
"""AlgorithmIdentifier of SHA-256, with NULL parameters."""
_SEQUENCE, _INTEGER, _OCTETS, _TRUE = 0x30, 0x02, 0x04, b"\x01\x01\xff"
_GRANTED = (0, 1)
"""PKIStatus: granted, or granted with modifications."""


class TimestampServer:
    """A server that signs the time at which it saw a checkpoint."""

    def __init__(self, name: str, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingInvalid(VARIABLE, name, "it has no address: write tsa:https://HOST/PATH")
        self.name = name
        self._url = url

    def take(self, log_id: str, size: int, note: str) -> bytes:  # noqa: ARG002 - the text names both
        """The token of the checkpoint; raises WitnessFailed."""
        digest, nonce = sha256(note.encode()).digest(), os.urandom(8)
        headers = {"content-type": "application/timestamp-query"}
        request = Request(self._url, time_stamp_request(digest, nonce), headers)  # noqa: S310 - it is HTTP
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                content: bytes = answer.read(_ANSWER_LIMIT_BYTES)
            return _token(content, digest, nonce)
        except (OSError, HTTPException) as error:
            raise WitnessFailed(f"{self._url}: {error}") from error
        except IndexError as error:
            raise WitnessFailed(f"{self._url} does not answer with a time-stamp") from error

    def kept(self, log_id: str) -> None:  # noqa: ARG002 - as above
        """A server keeps nothing; the tokens are in the log."""
        return


def time_stamp_request(digest: bytes, nonce: bytes) -> bytes:
    """The DER of a TimeStampReq."""
    imprint = _der(_SEQUENCE, _SHA_256 + _der(_OCTETS, digest))
    return _der(_SEQUENCE, _der(_INTEGER, b"\x01") + imprint + _integer(nonce) + _TRUE)


def is_token_of(token: bytes, note: str) -> bool:
    """Whether a token names this checkpoint; its signature is not checked."""
    return _der(_OCTETS, sha256(note.encode()).digest()) in token


def _token(answer: bytes, digest: bytes, nonce: bytes) -> bytes:
    """The token in a TimeStampResp; raises IndexError if it is none."""
    body = _content(answer, _SEQUENCE)[0]
    status_info, token = _content(body, _SEQUENCE)
    status = _content(status_info, _INTEGER)[0]
    if int.from_bytes(status) not in _GRANTED:
        raise WitnessFailed(f"the time-stamp server refuses with status {int.from_bytes(status)}")
    if _der(_OCTETS, digest) not in token or _integer(nonce) not in token:
        raise WitnessFailed("the time-stamp is of something else")
    return token


def _integer(unsigned: bytes) -> bytes:
    digits = unsigned.lstrip(b"\x00") or b"\x00"
    return _der(_INTEGER, b"\x00" * (digits[0] >> 7) + digits)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def _content(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first value, which has this tag, and what follows it."""
    if data[0] != tag:
        raise IndexError
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if len(data) < start + length:
        raise IndexError
    return data[start : start + length], data[start + length :]
