"""How many signatures a second this machine makes with a key of a kind, on all its cores and with nothing else to do."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from time import perf_counter

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

SECONDS = 3.0
TO_BE_SIGNED = bytes(900)


def rate(family: str) -> float:
    """Signatures a second over all cores: `rsa` is RSA 4096 with SHA-512, `ec` is P-384 with SHA-384."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        return sum(pool.map(_sign, [family] * (os.cpu_count() or 1)))


def _sign(family: str) -> float:
    if family == "rsa":
        rsa_key = rsa.generate_private_key(65_537, 4096)
        sign = partial(rsa_key.sign, TO_BE_SIGNED, padding.PKCS1v15(), hashes.SHA512())
    else:
        ec_key = ec.generate_private_key(ec.SECP384R1())
        sign = partial(ec_key.sign, TO_BE_SIGNED, ec.ECDSA(hashes.SHA384()))
    return rate_of(sign)


def rate_of(sign: Callable[[], bytes]) -> float:
    """How often a second this process signs."""
    signed, started = 0, perf_counter()
    while (passed := perf_counter() - started) < SECONDS:
        sign()
        signed += 1
    return signed / passed
