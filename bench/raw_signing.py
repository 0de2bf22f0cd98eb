"""Raw signatures a second of this machine with a kind of key, on all its cores."""

import os
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bench.stand import in_processes, rate_of

TO_BE_SIGNED = bytes(900)


def rate(family: str) -> float:
    """Return the signatures a second of all cores: `rsa` is RSA 4096 with SHA-512, `ec` is P-384 with SHA-384."""
    rates: list[float] = in_processes(os.cpu_count() or 1, _sign, family)
    return sum(rates)


def _sign(family: str) -> float:
    if family == "rsa":
        rsa_key = rsa.generate_private_key(65_537, 4096)
        sign = partial(rsa_key.sign, TO_BE_SIGNED, padding.PKCS1v15(), hashes.SHA512())
    else:
        ec_key = ec.generate_private_key(ec.SECP384R1())
        sign = partial(ec_key.sign, TO_BE_SIGNED, ec.ECDSA(hashes.SHA384()))
    return rate_of(sign)
