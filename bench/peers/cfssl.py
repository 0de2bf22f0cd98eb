"""cfssl: `cfssl serve`, with authenticated requests, and its certificate database in PostgreSQL.

1.6.5 is the last version for Go before 1.27; it signs as 1.7.1 does.
"""

import hmac
import json
import secrets
from base64 import b64encode
from pathlib import Path

import psycopg

from bench.peers.measured import PEERS, Server, Work, host

_PROFILE = {
    "usages": ["digital signature", "server auth", "client auth"],
    "expiry": "9528h",
    "crl_url": "http://ca.bench.example/ca.crl",
    "ocsp_url": "http://ca.bench.example/ocsp",
    "issuer_urls": ["http://ca.bench.example/ca.cer"],
    "auth_key": "bench",
}


def prepare(work: Work, folder: Path, port: int, url: str) -> Server:
    """Apply its migrations, which it leaves to the tool goose, and write its files."""
    with psycopg.connect(url) as connection:
        for file in sorted((PEERS / "cfssl").glob("*.sql")):
            connection.execute(file.read_text().partition("-- +goose Down")[0].encode())
    key = secrets.token_bytes(16)
    database, config = folder / "database.json", folder / "config.json"
    database.write_text(json.dumps({"driver": "postgres", "data_source": url}))
    keys = {"bench": {"type": "standard", "key": key.hex()}}
    config.write_text(json.dumps({"signing": {"default": _PROFILE}, "auth_keys": keys}))

    def body(number: int) -> bytes:
        request = json.dumps({"certificate_request": work.csr(number), "hosts": [host(number)]}).encode()
        parts = {"token": hmac.digest(key, request, "sha256"), "request": request}
        return json.dumps({name: b64encode(value).decode() for name, value in parts.items()}).encode()

    files = ("-ca", work.ca_certificate, "-ca-key", work.ca_key, "-config", config, "-db-config", database)
    return Server(
        [PEERS / "bin" / "cfssl", "serve", "-address", "127.0.0.1", "-port", str(port), *files],
        f"http://127.0.0.1:{port}/api/v1/cfssl/authsign",
        body,
        lambda answer: str(answer["result"]["certificate"]),
    )
