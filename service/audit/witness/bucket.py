"""An S3 bucket as a witness: one object for each checkpoint, under ``PREFIX/LOG_ID/SIZE.checkpoint``.

The bucket must lock new objects by default (S3 Object Lock, "default retention"), so that nobody can remove
them before their time. Each object is read back, and one without a lock counts as a failure. The requests are
signed with AWS Signature Version 4, by the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, and AWS_ENDPOINT_URL for a store other than AWS. Roles of machines are not
looked up.
"""

import hmac
import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import md5, sha256
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from service.audit.witness.witnesses import VARIABLE, Kept, WitnessFailed, note_name
from service.errors import SettingInvalid

_TIMEOUT_S = 15.0
_LIST_LIMIT_BYTES = 4 * 1024**2
_EXISTS = (409, 412)
_KEY = re.compile(r"<Key>([^<]*\.checkpoint)</Key>")
_NEXT = re.compile(r"<NextContinuationToken>([^<]+)</NextContinuationToken>")


class Bucket:
    """A bucket with default retention."""

    def __init__(self, name: str) -> None:
        parts = urlsplit(name)
        if parts.scheme != "s3" or not parts.netloc:
            raise SettingInvalid(VARIABLE, name, "it has no bucket: write s3://BUCKET/PREFIX")
        self.name = name
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")

    def take(self, log_id: str, size: int, note: str) -> None:
        """Put the checkpoint, unless the bucket has it; raises WitnessFailed, also without a lock."""
        key = self._key(f"{log_id}/{note_name(size)}")
        content = note.encode()
        checksum = b64encode(md5(content, usedforsecurity=False).digest()).decode()
        try:
            self._call("PUT", key, content=content, headers={"content-md5": checksum, "if-none-match": "*"})
        except HTTPError as error:
            if error.code not in _EXISTS:
                raise WitnessFailed(f"{self.name}: {error}") from error
        found, lock = self._get(key)
        if found != content:
            raise WitnessFailed(f"{key} is another checkpoint of the same size")
        if not lock:
            raise WitnessFailed(f"{key} is not locked: the bucket {self._bucket} needs a default retention")

    def kept(self, log_id: str) -> Sequence[Kept]:
        """The checkpoints in the bucket."""
        prefix, more, keys = self._key(f"{log_id}/"), "", list[str]()
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": more} if more else {})}
            try:
                listing, _ = self._call("GET", "", query=query)
            except HTTPError as error:
                raise WitnessFailed(f"{self.name}: {error}") from error
            text = listing.decode(errors="replace")
            keys += _KEY.findall(text)
            following = _NEXT.search(text)
            if following is None:
                break
            more = following[1]
        return [
            Kept(f"s3://{self._bucket}/{key}", self._get(key)[0].decode(errors="replace"))
            for key in sorted(keys)
        ]

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _get(self, key: str) -> tuple[bytes, bool]:
        """An object, and whether it is locked."""
        try:
            content, headers = self._call("GET", key)
        except HTTPError as error:
            raise WitnessFailed(f"{self.name}: {error}") from error
        return content, headers.get("x-amz-object-lock-mode") in ("GOVERNANCE", "COMPLIANCE")

    def _call(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com"
        path = f"/{self._bucket}/{key}" if key else f"/{self._bucket}"
        signed = sign(method, urlsplit(endpoint).netloc, path, query or {}, content, region, headers or {})
        search = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted((query or {}).items())
        )
        url = endpoint.rstrip("/") + quote(path, safe="/-_.~") + (f"?{search}" if search else "")
        request = Request(url, content if method == "PUT" else None, signed, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the configured store
                return answer.read(_LIST_LIMIT_BYTES), answer.headers
        except HTTPError:
            raise
        except (OSError, HTTPException) as error:
            raise WitnessFailed(f"{self.name}: {error}") from error


def sign(
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    content: bytes,
    region: str,
    headers: Mapping[str, str],
) -> dict[str, str]:
    """The headers of a request with its signature, AWS Signature Version 4; raises WitnessFailed."""
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        raise WitnessFailed("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = sha256(content).hexdigest()
    all_headers = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        all_headers["x-amz-security-token"] = token
    names = ";".join(sorted(all_headers))
    search = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
    lines = "".join(f"{name}:{all_headers[name].strip()}\n" for name in sorted(all_headers))
    canonical = "\n".join([method, quote(path, safe="/-_.~"), search, lines, names, digest])
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**all_headers, "authorization": credential}
