"""cfssl: `cfssl serve`, with authenticated requests, and its certificate database in PostgreSQL.

1.6.5 is the last version for Go before 1.27; it signs as 1.7.1 does. Its setting for zlint cannot be measured: both
versions, built with Go 1.17 or newer, then refuse every request (issue 1230 of cloudflare/cfssl).
"""

import hmac
import json
import secrets
from base64 import b64encode
from pathlib import Path

import psycopg

from bench.peers import served
from bench.peers.work import Habits, Peer, Speed, Work, host

_MODULE, _VERSION = "github.com/cloudflare/cfssl", "v1.6.5"
_PROFILE = {
    "usages": ["digital signature", "server auth", "client auth"],
    "expiry": "9528h",
    "crl_url": "http://ca.bench.example/ca.crl",
    "ocsp_url": "http://ca.bench.example/ocsp",
    "issuer_urls": ["http://ca.bench.example/ca.cer"],
    "auth_key": "bench",
}


def _measure(work: Work) -> Speed:
    program = served.install(f"{_MODULE}/cmd/cfssl", _VERSION)
    key = secrets.token_bytes(16)

    def body(number: int) -> bytes:
        request = json.dumps({"certificate_request": work.csr(number), "hosts": [host(number)]}).encode()
        parts = {"token": hmac.digest(key, request, "sha256"), "request": request}
        return json.dumps({name: b64encode(value).decode() for name, value in parts.items()}).encode()

    def prepare(folder: Path, port: int, url: str) -> served.Server:
        _create_tables(url)
        database, config = folder / "database.json", folder / "config.json"
        database.write_text(json.dumps({"driver": "postgres", "data_source": url}))
        keys = {"bench": {"type": "standard", "key": key.hex()}}
        config.write_text(json.dumps({"signing": {"default": _PROFILE}, "auth_keys": keys}))
        files = ("-ca", work.ca_certificate, "-ca-key", work.ca_key, "-config", config, "-db-config", database)
        return served.Server(
            [program, "serve", "-address", "127.0.0.1", "-port", str(port), *files],
            f"http://127.0.0.1:{port}/api/v1/cfssl/authsign",
            body,
            lambda answer: str(answer["result"]["certificate"]),
            "certificates",
        )

    return served.measure(work, prepare)


def _create_tables(url: str) -> None:
    """Apply cfssl's own migrations, which it leaves to the tool goose."""
    folder = served.source(_MODULE, _VERSION) / "certdb" / "pg" / "migrations"
    with psycopg.connect(url) as connection:
        for file in sorted(folder.glob("*.sql")):
            connection.execute(file.read_text().partition("-- +goose Down")[0].encode())


PEER = Peer(
    "cfssl 1.6.5",
    "cfssl",
    Habits(
        checks="the request's signature; the sender's HMAC; the names against a pattern, if one is set up",
        lints="no: its setting for zlint fails since Go 1.17",
        recorded_before="no: a row after signing",
        audited="no; a log line",
        delivered="no: it answers the caller; CT logs, if set up",
    ),
    _measure,
)
