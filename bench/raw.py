"""What this machine does a second with bare cryptography, on all its cores: the references of the services' rates."""

import os
from collections.abc import Callable
from functools import partial
from itertools import cycle

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from servicecert_pki.manifest import issuer_id
from servicecert_pki.profile import Environment
from servicecert_pki.signing_settings import SigningSettings
from servicecert_pki.spki import KeyFamily

from bench.stand import in_processes, rate_of

CA_KEYS = {"ec": "p384", "rsa": "rsa4096"}
_TO_BE_SIGNED = bytes(900)


def signing(family: str) -> float:
    """Return the signatures a second: `rsa` is RSA 4096 with SHA-512, `ec` is P-384 with SHA-384."""
    return _on_all_cores(_sign, family)


def signing_in_token(environment: dict[str, str], family: str) -> float:
    return _on_all_cores(_sign_in_token, environment, family)


def checking(csrs: list[str]) -> float:
    return _on_all_cores(_check, csrs)


def _on_all_cores(work: Callable[..., float], *arguments: object) -> float:
    rates: list[float] = in_processes(os.cpu_count() or 1, work, *arguments)
    return sum(rates)


def _sign(family: str) -> float:
    if family == "rsa":
        rsa_key = rsa.generate_private_key(65_537, 4096)
        sign = partial(rsa_key.sign, _TO_BE_SIGNED, padding.PKCS1v15(), hashes.SHA512())
    else:
        ec_key = ec.generate_private_key(ec.SECP384R1())
        sign = partial(ec_key.sign, _TO_BE_SIGNED, ec.ECDSA(hashes.SHA384()))
    return rate_of(sign)


def _sign_in_token(environment: dict[str, str], family: str) -> float:
    os.environ.update(environment)
    _, keys = SigningSettings().open_authority()
    key = keys[issuer_id(Environment.TEST, KeyFamily(family))]
    return rate_of(lambda: key.sign(_TO_BE_SIGNED))


def _check(csrs: list[str]) -> float:
    encoded = cycle(csr.encode() for csr in csrs)
    return rate_of(lambda: x509.load_pem_x509_csr(next(encoded)).is_signature_valid)
