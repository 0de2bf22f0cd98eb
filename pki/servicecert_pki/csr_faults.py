"""Every fault for which a certificate request is refused (A4), each with a stable code and what to do."""

from dataclasses import dataclass, field, replace

from .spki import CURVES, KEY_SIZES, KeyFamily

LARGEST_CSR = 16 * 1024

_SIZES = ", ".join(map(str, KEY_SIZES[KeyFamily.RSA]))
_CURVES = ", ".join(CURVES[size] for size in KEY_SIZES[KeyFamily.EC])


@dataclass(frozen=True)
class CsrFault:
    """Why a request is refused: a stable `code` and one English sentence that says what to do."""

    code: str
    message: str = field(compare=False)


class Stop(Exception):
    """A fault that ends the examination of a request."""

    def __init__(self, fault: CsrFault) -> None:
        self.fault = fault


TOO_LARGE = CsrFault("csr-too-large", f"The request is larger than {LARGEST_CSR // 1024} KiB; send one request only.")
EMPTY = CsrFault("csr-empty", "The file is empty; send the .csr file that was made with the key.")
CUT = CsrFault("csr-cut", "The request is cut off, its end is missing; send the whole .csr file.")
UNREADABLE = CsrFault("csr-unreadable", "The file is no PKCS#10 request in PEM or DER; send the .csr file unchanged.")
CERTIFICATE = CsrFault("csr-is-certificate", "This is a certificate; send the request (.csr) it is to be made from.")
PRIVATE_KEY = CsrFault(
    "csr-is-private-key",
    "This is or contains a private key, which must never be sent to anyone: "
    "discard it, make a new key and send its request.",
)
SEVERAL = CsrFault("csr-several", "The file holds several requests; send one application for each.")
WEAK_HASH = CsrFault(
    "csr-weak-signature-hash", "The request is signed with MD5 or SHA-1; make it anew with SHA-256 or better."
)
ALGORITHM = CsrFault(
    "csr-signature-algorithm", "The request is signed in a way this service does not know; make it with SHA-256."
)
SIGNATURE = CsrFault(
    "csr-signature-invalid", "The request's signature does not verify; make the request anew with the key it is for."
)
KEY_ALGORITHM = CsrFault(
    "key-algorithm", f"The key is neither RSA nor elliptic curve; make an RSA key, or an EC key on {_CURVES}."
)
KEY_ENCODING = CsrFault(
    "key-encoding", "The public key is not written in its standard form; make the request with another program."
)
KEY_SIZE = CsrFault("key-size", f"The size of the RSA key is none of {_SIZES} bits; make a new key of one of these.")
KEY_EXPONENT = CsrFault("key-exponent", "An RSA key has the public exponent 65537; make a new key with it.")
KEY_CURVE = CsrFault("key-curve", f"The elliptic curve is not {_CURVES}; make a new key on that curve.")
KEY_EXPLICIT_CURVE = CsrFault(
    "key-explicit-curve",
    f"The elliptic curve is written out as parameters; make a new key on the named curve {_CURVES}.",
)
KEY_OFF_CURVE = CsrFault(
    "key-off-curve", "The public key is no point of its elliptic curve; make a new key and its request."
)
KEY_INVALID = CsrFault("key-invalid", "The public key in the request is no valid key; make a new key and its request.")
KEY_ROCA = CsrFault(
    "key-roca",
    "The key was made by a faulty chip or library (ROCA); make a new key in another way, and no other there.",
)
KEY_CLOSE_PRIMES = CsrFault(
    "key-close-primes",
    "The primes of the key lie so close together that it can be broken; make a new key with OpenSSL.",
)
KEY_SMALL_FACTOR = CsrFault(
    "key-small-factor", "The key is damaged, since a small number divides it; make a new key and its request."
)
KEY_PATTERN = CsrFault(
    "key-pattern", "The key has a pattern by which it can be broken; make a new key with another program."
)
KEY_KNOWN_PRIME = CsrFault(
    "key-known-prime", "A prime of the key is publicly known; make a new key with good randomness."
)
KEY_POWER = CsrFault(
    "key-power",
    "The modulus is a power of a smaller number, so that the key can be broken; make a new key with OpenSSL.",
)
KEY_PRIME = CsrFault("key-prime", "The modulus is a prime, so that the key can be broken; make a new key with OpenSSL.")
KEY_DEBIAN_WEAK = CsrFault(
    "key-debian-weak",
    "The key is one of the few that Debian's faulty OpenSSL of 2006 to 2008 made; "
    "make a new key with a current OpenSSL.",
)
KEY_LEAKED = CsrFault("key-leaked", "The private key is publicly known; make a new key and keep it secret.")
KEY_COMPROMISED = CsrFault("key-compromised", "The key is known to be compromised; make a new key and its request.")

FAULTS: tuple[CsrFault, ...] = tuple(each for each in list(vars().values()) if isinstance(each, CsrFault))
"""Every fault that `csr.judge_csr` can return; each needs a text in the customer's language."""


def not_der(why: str) -> CsrFault:
    """Return the fault of a request that is readable but not in DER; `why` quotes nothing of it."""
    return replace(UNREADABLE, message=f"The request is not in DER: {why}; make it with another program.")
