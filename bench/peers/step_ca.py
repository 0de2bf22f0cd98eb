"""step-ca: its API, with a single-use token of a JWK provisioner for each request, and its records in PostgreSQL."""

import json
import secrets
import ssl
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.peers import served
from bench.peers.work import Habits, Peer, Speed, Work, host

_PACKAGE, _VERSION = "github.com/smallstep/certificates/cmd/step-ca", "v0.30.2"
_PROVISIONER = "bench"
_SUBJECT = "bench.example"


def _measure(work: Work) -> Speed:
    program = served.install(_PACKAGE, _VERSION)
    key = ec.generate_private_key(ec.SECP256R1())

    def prepare(folder: Path, port: int, database: str) -> served.Server:
        url = f"https://127.0.0.1:{port}/1.0/sign"
        config = folder / "ca.json"
        config.write_text(json.dumps(_config(work, key.public_key(), port, database)))
        return served.Server(
            [program, config],
            url,
            lambda number: json.dumps({"csr": work.csr(number), "ott": _token(key, host(number), url)}).encode(),
            lambda answer: str(answer["crt"]),
            "x509_certs",
            ssl.create_default_context(cafile=work.ca_certificate),
        )

    return served.measure(work, prepare)


def _config(work: Work, key: ec.EllipticCurvePublicKey, port: int, database: str) -> dict[str, Any]:
    point = key.public_numbers()
    jwk = {"use": "sig", "kty": "EC", "kid": _PROVISIONER, "crv": "P-256", "alg": "ES256"}
    jwk |= {"x": _encoded(point.x.to_bytes(32, "big")), "y": _encoded(point.y.to_bytes(32, "big"))}
    return {
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


def _token(key: ec.EllipticCurvePrivateKey, name: str, url: str) -> str:
    """Return a JSON Web Token that allows one certificate for a host name, within five minutes."""
    now = int(time.time())
    header = {"alg": "ES256", "kid": _PROVISIONER, "typ": "JWT"}
    claims = {"iss": _PROVISIONER, "aud": url, "sub": _SUBJECT, "sans": [name], "jti": secrets.token_hex(16)}
    parts: tuple[dict[str, Any], ...] = header, {**claims, "iat": now, "nbf": now, "exp": now + 300}
    content = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    r, s = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


PEER = Peer(
    "step-ca 0.30.2",
    "step-ca",
    Habits(
        checks="the request's signature, RSA of 2048 bits or more; the token, once; its names against the request's",
        lints="no; a webhook may refuse a certificate",
        recorded_before="the token; the certificate after signing",
        audited="no; a log line with the certificate",
        delivered="no: it answers the caller",
    ),
    _measure,
)
