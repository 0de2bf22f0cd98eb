"""Each gate stops the list that it is there for, and lets the right one pass (D7, I7, I8)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest
from crls import build_crl
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.crl import CrlHead, Reason, entry_der
from servicecert_pki.crl_reading import OCTETS, SerialSet, crl_fields, load
from servicecert_pki.keys import SigningKey
from servicecert_revoker.domain import crl_gates as gates
from servicecert_revoker.domain.crl_gates import Expected, GateFailed
from servicecert_revoker.domain.crl_orders import (
    CrlVersion,
    PublishOrder,
    Recorded,
    Size,
    is_late,
    partitions_to_publish,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
URL = "http://crl.example.fi/test-ec.3.crl"
SERIALS = (5, 1 << 126, (1 << 126) + 9)


def entries(*serials: int, reason: Reason = Reason.KEY_COMPROMISE) -> bytes:
    return b"".join(entry_der(serial, NOW, reason) for serial in serials)


@pytest.fixture(scope="session")
def build(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Callable[..., bytes]:
    """A maker of CRLs, valid ones by default."""

    def make(
        key: str = "test-ec",
        issuer: str = "test-ec",
        body: bytes = entries(*SERIALS),
        number: int = 7,
        url: str | None = URL,
        this: datetime = NOW,
        end: datetime = LATER,
    ) -> bytes:
        return build_crl(ca_keys[key], authority.issuer(issuer), this, end, body, number, url)

    return make


@pytest.fixture(scope="session")
def expected(authority: Authority) -> Expected:
    return meaning(CrlHead(authority.issuer("test-ec"), 7, NOW, LATER, URL), SERIALS)


def meaning(head: CrlHead, serials: tuple[int, ...]) -> Expected:
    numbers = b"".join(serial.to_bytes(OCTETS, "big") for serial in serials)
    return Expected(head, len(serials), sha256(entries(*serials)).hexdigest(), sha256(numbers).hexdigest())


def stopped_by(act: Callable[[], object]) -> str:
    with pytest.raises(GateFailed) as failed:
        act()
    assert failed.value.gate in gates.GATES
    assert str(failed.value).endswith(".")
    return failed.value.gate


def test_D7_the_list_that_is_meant_passes(build: Callable[..., bytes], expected: Expected) -> None:
    passed = gates.check(build(), expected, None)
    assert passed.vanished == ()
    assert (passed.listed.count, passed.listed.total) == (3, sum(SERIALS))
    assert gates.check(build(), expected, b"garbage") == passed
    assert gates.check(build(), expected, build(body=entries(5), number=6)) == passed


def test_D7_no_list_moves_away_from_the_address_that_certificates_name(
    build: Callable[..., bytes], expected: Expected
) -> None:
    elsewhere = build(number=6, url=URL.replace("crl.", "crls."))
    assert stopped_by(lambda: gates.check(build(), expected, elsewhere)) == "scope"
    assert gates.check(build(), expected, build(number=6, url=URL.replace("3", "4"))), "another was copied over it"


def test_I7_what_vanished_is_named_whatever_the_order_of_the_published_list(
    build: Callable[..., bytes], expected: Expected
) -> None:
    for old in ((2, 5, 1 << 127), (1 << 127, 5, 2)):
        assert gates.check(build(), expected, build(body=entries(*old))).vanished == (2, 1 << 127)


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("issuer", {"key": "test-rsa", "issuer": "test-rsa"}),
        ("issuer", {"issuer": "production-ec"}),
        ("number", {"number": 8}),
        ("times", {"this": NOW - timedelta(seconds=1)}),
        ("times", {"end": LATER + timedelta(seconds=1)}),
        ("scope", {"url": None}),
        ("scope", {"url": URL.replace("3", "4")}),
        ("entries", {"body": b""}),
        ("entries", {"body": entries(*SERIALS[:2])}),
        ("entries", {"body": entries(*SERIALS, 1 << 127)}),
        ("entries", {"body": entries(*SERIALS, reason=Reason.PRIVILEGE_WITHDRAWN)}),
    ],
)
def test_D7_each_gate_stops_its_list(
    build: Callable[..., bytes], expected: Expected, gate: str, changes: Mapping[str, object]
) -> None:
    assert stopped_by(lambda: gates.check(build(**changes), expected, None)) == gate


def test_D7_what_cannot_be_read_is_stopped(build: Callable[..., bytes], expected: Expected) -> None:
    for broken in (b"", build()[:-1], b"\x30\x03\x02\x01\x01"):
        assert stopped_by(partial(gates.check, broken, expected, None)) == "readable"


def test_D7_entries_out_of_order_or_twice_or_of_other_certificates_are_stopped(
    build: Callable[..., bytes], expected: Expected
) -> None:
    """Also where they are what is stored: the database itself was changed."""
    for serials in (SERIALS[::-1], (5, 5, 6), (4, *SERIALS[1:])):
        stored = replace(expected, body_sha256=sha256(entries(*serials)).hexdigest())
        crl = build(body=entries(*serials))
        assert stopped_by(partial(gates.check, crl, stored, None)) == "entries"


def test_f3_entries_that_this_service_never_makes_are_not_signed(
    build: Callable[..., bytes], expected: Expected
) -> None:
    """They are what is stored: the database itself was changed."""
    hold = entries(5).replace(b"\x0a\x01\x01", b"\x0a\x01\x06")
    unknown = entries(5).replace(b"\x06\x03U\x1d\x15", b"\x06\x03U\x1d\x63")
    dated = entry_der(5, NOW, Reason.KEY_COMPROMISE, NOW - timedelta(days=1))
    numbers = sha256((5).to_bytes(OCTETS, "big")).hexdigest()

    def check(body: bytes) -> object:
        stored = replace(expected, entries=1, body_sha256=sha256(body).hexdigest(), serials_sha256=numbers)
        return gates.check(build(body=body), stored, None)

    for body in (hold, unknown):
        assert stopped_by(partial(check, body)) in ("entries", "lint")
    for body in (entries(5), dated):
        check(body)


def test_D7_unknown_extensions_are_stopped(build: Callable[..., bytes], expected: Expected) -> None:
    found = crl_fields(load(build()))
    gates.check_head(found, expected.head)
    others = replace(found, others=frozenset({"1.2.3"}))
    assert stopped_by(lambda: gates.check_head(others, expected.head)) == "scope"
    assert stopped_by(lambda: gates.check_head(replace(found, scope_critical=False), expected.head)) == "scope"


def test_D7_what_the_linter_finds_is_stopped(expected: Expected) -> None:
    wrong = der.sequence(der.integer(5), der.tlv(0x18, b"20261124120000Z"))
    assert stopped_by(lambda: gates.check_lint(expected.head, memoryview(wrong))) == "lint"
    gates.check_lint(expected.head, memoryview(entries(*SERIALS)))
    gates.check_lint(expected.head, memoryview(b""))


def test_I8_a_number_that_does_not_grow_is_stopped() -> None:
    gates.check_grows(8, 7)
    for number in (7, 6):
        assert stopped_by(partial(gates.check_grows, number, 7)) == "number"


def test_F6_D7_a_list_from_the_future_is_stopped() -> None:
    gates.check_not_ahead(NOW, NOW)
    assert stopped_by(lambda: gates.check_not_ahead(NOW + timedelta(seconds=1), NOW)) == "times"


def test_D7_what_is_asked_for_and_has_no_entry_is_stopped() -> None:
    gates.check_ordered({b"a": 3}, {b"a": 3, b"b": 4})
    for revoked in ({}, {b"a": 4}):
        assert stopped_by(partial(gates.check_ordered, {b"a": 3}, revoked)) == "asked"


def test_I7_what_vanished_unexpired_is_stopped() -> None:
    gates.check_vanished(0)
    assert stopped_by(lambda: gates.check_vanished(1)) == "vanished"


def test_D7_partitions_that_are_not_the_full_list_are_stopped() -> None:
    full = SerialSet(3, 60, "")
    gates.check_union(full, [(1, 10), (2, 50), (0, 0)])
    gates.check_union(SerialSet(0, 0, ""), [])
    for partitions in ([(1, 10), (1, 50)], [(1, 10), (2, 51)], []):
        assert stopped_by(partial(gates.check_union, full, partitions)) == "union"


def order(partition: int, serial: str | None = "05") -> PublishOrder:
    return PublishOrder(issuer="test-ec", partition=partition, serial=serial)


def test_D7_a_pass_makes_what_is_asked_for_and_what_lacks_something() -> None:
    whole = {partition: CrlVersion(7, f"{partition}") for partition in range(6)}
    recorded = {partition: Recorded(7, 10, 100, f"{partition}", NOW) for partition in range(6)}
    recorded[5] = replace(recorded[5], this_update=NOW - timedelta(hours=1))
    long_ago, outdated = NOW - timedelta(days=1), NOW - timedelta(hours=1)
    sizes = {partition: Size(10, 490) for partition in range(1, 6)}
    assert partitions_to_publish([order(3)], sizes, recorded, whole | {0: None}, long_ago) == {0, 3}
    assert partitions_to_publish([order(3)], sizes, recorded, whole, outdated) == {0, 3, 5}
    shown = {**whole, 1: None, 2: CrlVersion(7, "another"), 6: CrlVersion(7, "6")}
    more = sizes | {4: Size(11, 539)}
    assert partitions_to_publish([order(3)], more, recorded, shown, long_ago) == {0, 1, 2, 3, 4, 6}
    assert partitions_to_publish([order(3)], {1: Size(10, 490)}, recorded, whole, long_ago) == {0, 2, 3, 4, 5}


def test_D7_a_scheduled_pass_makes_all() -> None:
    whole = {partition: CrlVersion(7, f"{partition}") for partition in range(6)}
    assert partitions_to_publish([order(3), order(0, None)], {}, {}, whole, NOW) == set(range(6))


@pytest.mark.parametrize(
    ("there", "late"),
    [
        (CrlVersion(0, "unreadable"), False),
        (CrlVersion(6, "a"), False),
        (CrlVersion(7, "b"), True),
        (CrlVersion(8, "a"), True),
    ],
)
def test_I8_a_number_that_the_world_saw_comes_to_be_no_smaller(there: CrlVersion, late: bool) -> None:
    assert is_late(CrlVersion(7, "a"), there) is late
