"""The fuzz targets: parsers of untrusted input. Each takes any octets and must not raise, hang or need much memory."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import FAULTS
from servicecert_pki.ocsp_messages import LONGEST_NONCE, MOST_CERTIFICATES, RequestMalformed, read_request
from servicecert_pki.private_keys import without_private_keys
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.export import EXPORTED

from pki import weak_keys

MOST_SECONDS = 0.1
MOST_BYTES = 50 * 1024 * 1024
_TRIES = 4


class TooSlow(Exception):
    """An input exceeds the time limit."""


class TooLarge(Exception):
    """An input exceeds the memory limit."""


@dataclass(frozen=True)
class Target:
    """A parser, its seeds, and its share of the time."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    share: float


def run(read: Callable[[bytes], object], data: bytes) -> None:
    """Parse an input. Raises the parser's errors, `TooLarge`, or `TooSlow` if each of several tries is slow."""
    # Resets the peak of earlier inputs.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    if _seconds(read, data) > MOST_SECONDS and min(_seconds(read, data) for _ in range(_TRIES)) > MOST_SECONDS:
        raise TooSlow
    if _peak() - before > MOST_BYTES:
        raise TooLarge


def _peak() -> int:
    """Return the peak of resident bytes since the last reset (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _seconds(read: Callable[[bytes], object], data: bytes) -> float:
    before = thread_time()
    read(data)
    return thread_time() - before


def _csr(data: bytes) -> None:
    """The reader of requests, data a file and data a text: either is accepted or has a fault that is known."""
    for source in (data, data.decode("utf-8", "surrogateescape")):
        judged = judge_csr(source)
        assert isinstance(judged, Csr) or (judged and set(judged) <= set(FAULTS))


def _csr_seeds() -> Sequence[bytes]:
    key = ec.derive_private_key(77, ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    encoded, pem = request.public_bytes(Encoding.DER), request.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    weak = weak_keys.request(weak_keys.strong())
    return (
        *(encoded, pem, b64encode(encoded), b64encode(pem), pem.decode().encode("utf-16"), pem.replace(b"\n", b"\r\n")),
        *(
            pem.replace(b"CERTIFICATE", b"NEW CERTIFICATE"),
            pem + pem,
            pem[:300],
            secret,
            secret + pem,
            weak,
            b64encode(weak),
        ),
    )


def _redaction(data: bytes) -> None:
    """The redaction of what is parked: what it leaves, it leaves as it is."""
    kept = without_private_keys(data)
    assert without_private_keys(kept) == kept


def _examples() -> Sequence[tuple[str, str, list[tuple[str, bytes]], bytes]]:
    """Return a stored record of every version of every type: topic, key, headers, value."""
    loaded = [json.loads(path.read_text()) for path in sorted((EXPORTED / "examples").glob("*.json"))]
    return [
        (
            each["topic"],
            each["key"],
            [(name, text.encode()) for name, text in each["headers"].items()],
            json.dumps(each["value"]).encode(),
        )
        for each in loaded
    ]


_EXAMPLES = _examples()


def _event(data: bytes) -> None:
    """A decoder: the first octet says which type. After a NUL comes, instead of a value, one header's value."""
    topic, key, headers, value = _EXAMPLES[data[0] % len(_EXAMPLES) if data else 0]
    rest = data[1:]
    if rest[:1] == b"\0":
        index = rest[1] % len(headers) if len(rest) > 1 else 0
        headers = [*headers[:index], (headers[index][0], rest[2:]), *headers[index + 1 :]]
    else:
        value = rest
    try:
        decode(topic, key.encode(), headers, value)
    except Undecodable as fault:
        assert fault.code  # noqa: PT017


def _event_seeds() -> Sequence[bytes]:
    values = [bytes((index,)) + value for index, (*_, value) in enumerate(_EXAMPLES)]
    headers = [bytes((0, 0, index)) + value for index, (_, value) in enumerate(_EXAMPLES[0][2])]
    return (*values, *headers)


def _redaction_seeds() -> Sequence[bytes]:
    return (
        *(json.dumps({"csr": seed.decode("latin-1")}).encode() for seed in _csr_seeds()),
        *(value for *_, value in _EXAMPLES[:5]),
    )


def _ocsp(data: bytes) -> None:
    """The reader of OCSP requests: what it takes asks about something, within its bounds."""
    try:
        read = read_request(data)
    except RequestMalformed as fault:
        assert str(fault)  # noqa: PT017
    else:
        assert 0 < len(read.certificates) <= MOST_CERTIFICATES
        assert read.nonce is None or len(read.nonce) <= LONGEST_NONCE + 3


def _ocsp_seeds() -> Sequence[bytes]:
    plain = ocsp.OCSPRequestBuilder().add_certificate_by_hash(bytes(20), bytes(20), 5, hashes.SHA1())
    long = ocsp.OCSPRequestBuilder().add_certificate_by_hash(bytes(32), bytes(32), 1 << 126, hashes.SHA256())
    with_nonce = long.add_extension(x509.OCSPNonce(bytes(32)), critical=False)
    return [each.build().public_bytes(Encoding.DER) for each in (plain, long, with_nonce)]


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "requests": Target(_csr, _csr_seeds, 0.4),
        "events": Target(_event, _event_seeds, 0.3),
        "redaction": Target(_redaction, _redaction_seeds, 0.15),
        "ocsp": Target(_ocsp, _ocsp_seeds, 0.15),
    }
)

CORPUS = Path(__file__).parent / "corpus"
"""A file for each target with interesting inputs, one in base64 per line."""
