"""Servers that issue certificates and record them in PostgreSQL: cfssl and step-ca. Each function writes its files."""

import hmac
import json
import secrets
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.peers.measured import PEERS, Server, Work, host

_PROVISIONER = "bench"
_CFSSL_PROFILE = {
    "usages": ["digital signature", "server auth", "client auth"],
    "expiry": "9528h",
    "crl_url": "http://ca.bench.example/ca.crl",
    "ocsp_url": "http://ca.bench.example/ocsp",
    "issuer_urls": ["http://ca.bench.example/ca.cer"],
    "auth_key": "bench",
}


def cfssl(work: Work, folder: Path, port: int, url: str) -> Server:
    """Serve by `cfssl serve`, with authenticated requests; its migrations are left to the tool goose, and applied here.

    1.6.5 is the last version for Go before 1.27; it signs as 1.7.1 does.
    """
    with psycopg.connect(url) as connection:
        for file in sorted((PEERS / "cfssl").glob("*.sql")):
            connection.execute(file.read_text().partition("-- +goose Down")[0].encode())
    key = secrets.token_bytes(16)
    database, config = folder / "database.json", folder / "config.json"
    database.write_text(json.dumps({"driver": "postgres", "data_source": url}))
    keys = {"bench": {"type": "standard", "key": key.hex()}}
    config.write_text(json.dumps({"signing": {"default": _CFSSL_PROFILE}, "auth_keys": keys}))

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


def step_ca(work: Work, folder: Path, port: int, database: str) -> Server:
    """Serve by step-ca's API, with a single-use token of a JWK provisioner for each request."""
    url = f"https://127.0.0.1:{port}/1.0/sign"
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    jwk = {"use": "sig", "kty": "EC", "kid": _PROVISIONER, "crv": "P-256", "alg": "ES256"}
    jwk |= {"x": _encoded(point.x.to_bytes(32, "big")), "y": _encoded(point.y.to_bytes(32, "big"))}
    config = {
        "root": str(work.ca_certificate),
        "crt": str(work.ca_certificate),
        "key": str(work.ca_key),
        "address": f"127.0.0.1:{port}",
        "dnsNames": ["127.0.0.1"],
        "logger": {"format": "json"},
        "db": {"type": "postgresql", "dataSource": database},
        "authority": {
            "claims": {"maxTLSCertDuration": "9528h", "defaultTLSCertDuration": "9528h"},
            "provisioners": [{"type": "JWK", "name": _PROVISIONER, "key": jwk}],
        },
    }
    (folder / "ca.json").write_text(json.dumps(config))
    return Server(
        [PEERS / "bin" / "step-ca", folder / "ca.json"],
        url,
        lambda number: json.dumps({"csr": work.csr(number), "ott": _token(key, host(number), url)}).encode(),
        lambda answer: str(answer["crt"]),
        ssl.create_default_context(cafile=work.ca_certificate),
    )


def _token(key: ec.EllipticCurvePrivateKey, name: str, url: str) -> str:
    """Return a JSON Web Token that allows one certificate for a host name, within five minutes."""
    now = int(time.time())
    header = {"alg": "ES256", "kid": _PROVISIONER, "typ": "JWT"}
    claims = {"iss": _PROVISIONER, "aud": url, "sub": "bench.example", "sans": [name], "jti": secrets.token_hex(16)}
    parts = header, {**claims, "iat": now, "nbf": now, "exp": now + 300}
    content = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    r, s = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
