"""What is fuzzed: readers of what strangers send. Each takes any octets and must not raise, hang or take much memory."""

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
from servicecert_pki.ocsp_request import LONGEST_NONCE, MOST_CERTIFICATES, RequestMalformed, read_request
from servicecert_pki.private_keys import without_private_keys
from servicecert_schemas import decode
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.export import EXPORTED

from pki import weak_keys

MOST_SECONDS = 0.1
MOST_BYTES = 50 * 1024 * 1024
_TRIES = 4


class TooSlow(Exception):
    """An input takes longer than it may."""


class TooLarge(Exception):
    """An input takes more memory than it may."""


@dataclass(frozen=True)
class Target:
    """A reader, inputs to begin with, and its share of the time."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    share: float


def run(read: Callable[[bytes], object], given: bytes) -> None:
    """Reads once. Raises what the reader raises, `TooLarge`, or `TooSlow` where it is slow each of some times."""
    # The peak of what came before is none of this input's.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    if _seconds(read, given) > MOST_SECONDS and min(_seconds(read, given) for _ in range(_TRIES)) > MOST_SECONDS:
        raise TooSlow
    if _peak() - before > MOST_BYTES:
        raise TooLarge


def _peak() -> int:
    """The most bytes that were resident since the peak was reset (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _seconds(read: Callable[[bytes], object], given: bytes) -> float:
    before = thread_time()
    read(given)
    return thread_time() - before


def _csr(given: bytes) -> None:
    """The reader of requests, given a file and given a text: either is accepted or has a fault that is known."""
    for source in (given, given.decode("utf-8", "surrogateescape")):
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


def _kept(given: bytes) -> None:
    """The redaction of what is parked: what it leaves, it leaves as it is."""
    kept = without_private_keys(given)
    assert without_private_keys(kept) == kept


def _examples() -> Sequence[tuple[str, list[tuple[str, bytes]], bytes]]:
    """A stored record of every version of every type: key, headers, value."""
    loaded = [json.loads(path.read_text()) for path in sorted((EXPORTED / "examples").glob("*.json"))]
    return [
        (
            each["key"],
            [(name, text.encode()) for name, text in each["headers"].items()],
            json.dumps(each["value"]).encode(),
        )
        for each in loaded
    ]


_EXAMPLES = _examples()


def _event(given: bytes) -> None:
    """A decoder: the first octet says which type. After a NUL comes, instead of a value, one header's value."""
    key, headers, value = _EXAMPLES[given[0] % len(_EXAMPLES) if given else 0]
    rest = given[1:]
    if rest[:1] == b"\0":
        place = rest[1] % len(headers) if len(rest) > 1 else 0
        headers = [*headers[:place], (headers[place][0], rest[2:]), *headers[place + 1 :]]
    else:
        value = rest
    try:
        decode(key.encode(), headers, value)
    except Undecodable as fault:
        assert fault.code  # noqa: PT017


def _event_seeds() -> Sequence[bytes]:
    values = [bytes((place,)) + value for place, (_, _, value) in enumerate(_EXAMPLES)]
    headers = [bytes((0, 0, place)) + value for place, (_, value) in enumerate(_EXAMPLES[0][1])]
    return (*values, *headers)


def _kept_seeds() -> Sequence[bytes]:
    return (
        *(json.dumps({"csr": seed.decode("latin-1")}).encode() for seed in _csr_seeds()),
        *(value for _, _, value in _EXAMPLES[:5]),
    )


def _ocsp(given: bytes) -> None:
    """The reader of OCSP requests: what it takes asks about something, within its bounds."""
    try:
        read = read_request(given)
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
        "redaction": Target(_kept, _kept_seeds, 0.15),
        "ocsp": Target(_ocsp, _ocsp_seeds, 0.15),
    }
)

CORPUS = Path(__file__).parent / "corpus"
"""A file for each target: inputs that it was led to, one in base64 a line."""
