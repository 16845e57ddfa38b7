"""A store as S3 is one, on the loopback, which checks the signatures of its requests itself."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Store(BaseHTTPRequestHandler):
    """S3 as far as a bucket with default retention needs it; it checks each signature itself."""

    objects: ClassVar[dict[str, bytes]] = {}
    locks: ClassVar[bool] = True

    def is_signed(self, body: bytes) -> bool:
        facts = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=AKEY/(\d{8})/([\w-]+)/s3/aws4_request, "
            r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})", self.headers["authorization"] or "",
        )  # fmt: skip
        if not facts or self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        day, region, names, signature = facts.groups()
        parts = urlsplit(self.path)
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in sorted(parse_qsl(parts.query))
        )
        lines = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names.split(";"))
        text = f"{self.command}\n{parts.path}\n{query}\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{day}/{region}/s3/aws4_request"
        digest = hashlib.sha256(text.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{scope}\n{digest}"
        key = b"AWS4secret"
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.new(key, to_sign.encode(), "sha256").hexdigest() == signature

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if self.locks and self.command == "GET":
            self.send_header("x-amz-object-lock-mode", "COMPLIANCE")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.is_signed(body):
            return self.answer(403)
        key = unquote(self.path)
        if key in self.objects and self.headers["if-none-match"] == "*":
            return self.answer(412)
        self.objects[key] = body
        return self.answer(200)

    def do_GET(self) -> None:
        if not self.is_signed(b""):
            return self.answer(403)
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if "list-type" not in query:
            return self.answer(200, self.objects[unquote(parts.path)])
        keys = sorted(key.removeprefix("/bucket/") for key in self.objects)
        keys = [
            key
            for key in keys
            if key.startswith(query["prefix"]) and key > query.get("continuation-token", "")
        ]
        more = f"<NextContinuationToken>{keys[0]}</NextContinuationToken>" if len(keys) > 1 else ""
        listed = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys[:1])
        return self.answer(200, f"<ListBucketResult>{listed}{more}</ListBucketResult>".encode())

    def log_message(self, *_: object) -> None:
        pass
