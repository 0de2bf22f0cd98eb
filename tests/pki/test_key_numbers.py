"""A4, F5: whatever numbers a key has, it is accepted or refused for known reasons, by everyone who reads a request.

The numbers are drawn, not octets: each request is well-formed, and signed wherever the drawn modulus allows.
"""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from time import thread_time

import gmpy2
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli.commands.csr import command
from servicecert_intake.domain.examine import judge_request
from servicecert_issuer.domain.examine import request_faults
from servicecert_pki import der
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import FAULTS

from pki import weak_keys

CODES = {fault.code for fault in FAULTS}
KEY_CODES = {code for code in CODES if code.startswith("key-")}

OTHER_PRIME = int(gmpy2.next_prime(3 << 1022))

sizes = st.sampled_from([2048, 3072, 4096]) | st.integers(1, 4200)


@st.composite
def moduli(draw: st.DrawFn) -> tuple[int, int | None]:
    """A modulus of some shape, and the order of its group where that is known."""
    bits = draw(sizes)
    some = draw(st.integers(1 << (bits - 1), (1 << bits) - 1))
    half, other = weak_keys.prime(1024), OTHER_PRIME
    shape: Callable[[], tuple[int, int | None]] = draw(
        st.sampled_from(
            [
                lambda: (some, None),
                lambda: (some | 1, None),
                lambda: (some >> 1 << draw(st.integers(0, 2100)), None),
                lambda: ((1 << bits) + draw(st.integers(-2, 3)), None),
                lambda: (int(f"{draw(st.integers(1, 1 << 64)):b}" * (bits // 64 + 1), 2), None),
                lambda: (draw(st.integers(0, 70_000)), None),
                lambda: (weak_keys.prime(2048), weak_keys.prime(2048) - 1),
                lambda: (half * other, (half - 1) * (other - 1)),
                lambda: weak_keys.power(draw(st.integers(2, 40))),
                lambda: (half * draw(st.integers(2, 1 << 1024)), None),
                lambda: (weak_keys.roca() + draw(st.integers(-2, 2)), None),
                lambda: (weak_keys.patterned() + draw(st.integers(-2, 2)), None),
            ]
        )
    )
    return shape()


exponents = st.just(65537) | st.integers(0, 1 << 20) | st.integers(0, 1 << 4200)


def twos_complement(number: int, zeros: int) -> bytes:
    """Return an INTEGER of any sign, with as many leading zeros too many."""
    size = number.bit_length() // 8 + 1
    return der.tlv(der.INTEGER, bytes(zeros), number.to_bytes(size, "big", signed=True))


def reasons(request: bytes, folder: Path) -> tuple[str, ...]:
    """Return the codes of a request's faults: the same for intake, the issuer and `csr check`.

    Only intake and `csr check` ask whether a modulus is prime.
    """
    judged = judge_csr(request)
    codes = () if isinstance(judged, Csr) else tuple(fault.code for fault in judged)
    at_issuer = tuple(code.removeprefix("request.") for code in request_faults(request))
    assert judge_request(b64encode(request).decode()).faults == codes
    assert at_issuer == codes or "key-prime" in codes
    path = folder / "request.csr"
    path.write_bytes(request)
    shown = CliRunner().invoke(command, ["check", str(path)])
    assert shown.exit_code == (1 if codes else 0)
    assert shown.exception is None or isinstance(shown.exception, SystemExit)
    assert all(f"  {code}: " in shown.stdout for code in codes)
    return codes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests")


@given(moduli(), exponents)
def test_A4_whatever_numbers_an_rsa_key_has_it_is_judged(
    folder: Path, drawn: tuple[int, int | None], exponent: int
) -> None:
    modulus, order = drawn
    if order is not None and gmpy2.gcd(exponent, order) != 1:
        order = None
    codes = set(reasons(weak_keys.request(modulus, exponent, order), folder))
    assert codes <= CODES
    if codes <= {"csr-signature-invalid"}:
        assert exponent == 65537
        assert modulus.bit_length() in (2048, 3072, 4096)
        assert not gmpy2.is_prime(modulus)
        assert not gmpy2.is_power(modulus)
        assert gmpy2.gcd(modulus, gmpy2.primorial(65537)) == 1


@given(moduli(), exponents, st.sampled_from([1, -1]), st.sampled_from([1, -1]), st.integers(0, 3), st.integers(0, 3))
def test_A4_numbers_that_are_encoded_otherwise_are_no_key(
    folder: Path, drawn: tuple[int, int | None], exponent: int, sign: int, other: int, zeros: int, more: int
) -> None:
    encoded = twos_complement(sign * drawn[0], zeros), twos_complement(other * exponent, more)
    codes = set(reasons(weak_keys.encoded_request(*encoded, lambda _: bytes(256)), folder))
    assert codes <= CODES
    assert codes
    if -1 in (sign, other) or zeros or more:
        assert codes & KEY_CODES or "csr-unreadable" in codes


FIELD = 2**384 - 2**128 - 2**96 + 2**32 - 1
POINT = ec.derive_private_key(77, ec.SECP384R1()).public_key().public_numbers()
COORDINATES = st.sampled_from([0, 1, FIELD - 1, FIELD, FIELD + 1, 2**384 - 1, POINT.x, POINT.y, FIELD - POINT.y])
coordinates = COORDINATES | st.integers(0, 2**384 - 1)


@given(st.integers(0, 7), coordinates, coordinates, st.integers(46, 50), st.integers(0, 2))
def test_A4_whatever_point_an_ec_key_has_it_is_judged(
    folder: Path, form: int, x: int, y: int, size: int, numbers: int
) -> None:
    room = 1 << (8 * size)
    point = bytes((form,)) + b"".join((each % room).to_bytes(size, "big") for each in (x, y)[:numbers])
    codes = reasons(ec_request(point), folder)
    assert codes in {("key-off-curve",), ("key-encoding",), ("csr-signature-invalid",)}
    if codes == ("csr-signature-invalid",):
        assert (form, numbers, size) == (4, 2, 48)
        assert max(x, y) < FIELD
        assert (y * y - x**3 + 3 * x - B) % FIELD == 0


B = (POINT.y**2 - POINT.x**3 + 3 * POINT.x) % FIELD


def ec_request(point: bytes) -> bytes:
    spki = der.sequence(bytes.fromhex("301006072a8648ce3d020106052b81040022"), der.bit_string(point))
    name = der.sequence(der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), der.tlv(der.UTF8_STRING, b"a" * 128))))
    info = der.sequence(der.integer(0), name, spki, der.tlv(0xA0))
    signature = der.sequence(der.integer(1), der.integer(1))
    return der.sequence(info, bytes.fromhex("300a06082a8648ce3d040303"), der.bit_string(signature))


@pytest.mark.parametrize(
    ("point", "code"),
    [
        (b"\0", "key-off-curve"),
        (b"\4", "key-off-curve"),
        (b"", "key-off-curve"),
        (b"\4" + bytes(96), "key-off-curve"),
        (b"\4" + FIELD.to_bytes(48, "big") + POINT.y.to_bytes(48, "big"), "key-off-curve"),
        (b"\4" + (POINT.x).to_bytes(48, "big") + (POINT.y + 1).to_bytes(48, "big"), "key-off-curve"),
        (bytes((2 + POINT.y % 2,)) + POINT.x.to_bytes(48, "big"), "key-encoding"),
        (bytes((6 + POINT.y % 2,)) + POINT.x.to_bytes(48, "big") + POINT.y.to_bytes(48, "big"), "key-encoding"),
        (b"\4" + POINT.x.to_bytes(48, "big") + POINT.y.to_bytes(48, "big"), "csr-signature-invalid"),
    ],
)
def test_A4_a_point_is_one_of_the_curve_in_its_one_form(folder: Path, point: bytes, code: str) -> None:
    assert reasons(ec_request(point), folder) == (code,)


DEAREST = {
    "a prime": lambda: weak_keys.prime(4096),
    "a prime times a small one": lambda: 3 * ((3 << 4092) + 4193),
    "a square": lambda: weak_keys.power(2, 4096)[0],
    "a power": lambda: weak_keys.power(41, 4096)[0],
    "few bits": lambda: weak_keys.patterned(4096),
    "all ones": lambda: (1 << 4096) - 1,
    "no weakness": lambda: weak_keys.strong(4096),
    "the largest": lambda: (1 << 60_000) + 1,
}


@pytest.mark.parametrize("what", DEAREST)
def test_f5_the_dearest_key_costs_little_more_than_one_exponentiation(what: str) -> None:
    request, strong = weak_keys.request(DEAREST[what]()), weak_keys.strong(4096)
    exponentiation = fastest(lambda: gmpy2.powmod(3, strong - 1, strong))
    assert fastest(lambda: judge_csr(request)) < 2 * exponentiation


def fastest(act: Callable[[], object]) -> float:
    """Return the least processor time of several tries, in seconds."""
    seconds = []
    for _ in range(5):
        before = thread_time()
        act()
        seconds.append(thread_time() - before)
    return min(seconds)
