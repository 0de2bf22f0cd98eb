"""F2: the revoker knows certificates by themselves, whatever an event says; both of a case can be revoked."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from databases import operator
from servicecert_pki.authority import Authority
from servicecert_pki.partitions import partition_of
from servicecert_revoker.domain.certificates import (
    IRREGULAR,
    LONGEST_VOID,
    Certificate,
    Irregular,
    Noted,
    Void,
    bound,
    second_key,
    verify,
)
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import Entered, Registered, Valid
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested, Standing, StandingChanged
from servicecert_worker.core.decider import Decision, Event, Result, Unanswerable, Untrusted
from services.revoker.conftest import CASE
from services.revoker.stand import Stand, another, verified

Requested = Callable[..., RevocationRequested]
MakeEvent = Callable[..., Event]

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_000C


def test_f2_what_the_certificate_says_counts(sound: CertificateIssued, authority: Authority) -> None:
    right = verify(sound, NOW, authority)
    assert right == verified(sound, NOW, der=b64decode(sound.certificate))
    lies: dict[str, Any] = {
        "issuer": "test-rsa",
        "serial": "4a",
        "serial_decimal": "74",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + timedelta(days=9000),
        "fingerprint": "0" * 64,
        "key_sha256": "0" * 64,
        "partition": 2**31 - 1,
    }
    for field, value in lies.items():
        assert verify(sound.model_copy(update={field: value}), NOW, authority) == replace(right, differ=(field,))


@pytest.mark.parametrize("place", [-1, 12, 60])
def test_f2_a_certificate_that_no_ca_of_ours_signed_is_parked(
    sound: CertificateIssued, authority: Authority, place: int
) -> None:
    der = bytearray(b64decode(sound.certificate))
    der[place] ^= 1
    forged = sound.model_copy(update={"certificate": b64encode(bytes(der)).decode()})
    assert isinstance(found := verify(forged, NOW, authority), Untrusted)
    assert found.code in ("certificate-signature", "certificate-unknown-ca", "certificate-unreadable")
    nothing = sound.model_copy(update={"certificate": b64encode(b"none").decode()})
    assert verify(nothing, NOW, authority) == Untrusted("certificate-unreadable", "The certificate cannot be read.")


def test_f2_a_certificate_of_a_ca_that_calls_itself_ours_is_parked(
    sound: CertificateIssued, authority: Authority
) -> None:
    others = replace(authority, issuers={"test-rsa": authority.issuer("test-rsa")})
    assert isinstance(found := verify(sound, NOW, others), Untrusted)
    assert found.code == "certificate-unknown-ca"
    impostor = replace(authority.issuer("test-ec"), public_key=authority.issuer("production-ec").public_key)
    assert isinstance(found := verify(sound, NOW, replace(authority, issuers={"test-ec": impostor})), Untrusted)
    assert found.code == "certificate-signature"


def test_f2_f5_the_values_of_a_void_serial_number_are_bounded(issued: CertificateIssued, authority: Authority) -> None:
    voided = CertificateVoided(
        case_id=CASE, issuer="test-ec", serial=issued.serial, serial_decimal=issued.serial_decimal, code="deadline"
    ).model_copy(update={"not_after": datetime(2999, 1, 1, tzinfo=UTC)})
    end = authority.issuer("test-ec").not_after
    partition = partition_of(int(issued.serial, 16), 16)
    assert bound(voided, NOW, authority, 16) == Void("test-ec", issued.serial, end, partition)
    for intended in range(1, 17):
        as_intended = voided.model_copy(update={"partition": intended})
        assert bound(as_intended, NOW, authority, 16) == Void("test-ec", issued.serial, end, intended), "D7"
    unknown = voided.model_copy(update={"partition": 17})
    assert bound(unknown, NOW, authority, 16) == Void("test-ec", issued.serial, end, partition)
    unsaid = voided.model_copy(update={"not_after": None})
    assert bound(unsaid, NOW, authority, 16) == Void("test-ec", issued.serial, NOW + LONGEST_VOID, partition)
    assert isinstance(bound(voided.model_copy(update={"issuer": "gone"}), NOW, authority, 16), Untrusted)


async def test_f2_both_certificates_of_a_case_can_be_revoked(
    pool: Any, known: Knowledge, issued: CertificateIssued, requested: Requested
) -> None:
    stand = Stand(pool, known, now=NOW)
    forged = issued.model_copy(update={"serial": "4a0c", "key_sha256": "2" * 64})
    await stand.happen(forged, issued, issued)
    events = await stand.settled()
    valid = {each.serial for each in events if isinstance(each, StandingChanged) and each.standing is Standing.VALID}
    assert valid == {"4a0c", issued.serial}
    assert await stand.standings() == {"valid": 2}
    await stand.happen(requested(reason=RevocationReason.KEY_EXPOSED, serial_as_typed="4a0c"))
    assert await stand.standings() == {"registered": 1, "valid": 1}
    key = second_key(str(CASE), "test-ec", issued.serial)
    async with operator(pool) as anna:
        assert await anna.fetchval("select second_of from operators_certificates where key = $1", str(key)) == str(CASE)
    await pool.execute("insert into compromised_keys (key_sha256, source) values ($1, 'x')", issued.key_sha256)
    operators = requested(
        reason=RevocationReason.KEY_EXPOSED, role=Role.OPERATOR, case_id=key, serial_as_typed=issued.serial
    )
    await stand.happen(operators)
    events = await stand.settled()
    assert await stand.standings() == {"revoked": 2}
    told = {each.key() for each in events if each.TYPE == "servicecert.certificate.revoked.v1"}
    assert told == {str(CASE)}, "of the second one nobody is told"
    assert await stand.parked() == 0


async def test_f2_D6_a_second_certificate_with_a_compromised_key_is_revoked(
    pool: Any, known: Knowledge, issued: CertificateIssued
) -> None:
    stand = Stand(pool, known, now=NOW)
    await pool.execute("insert into compromised_keys (key_sha256, source) values ($1, 'x')", "2" * 64)
    await stand.happen(issued, issued.model_copy(update={"serial": "4a0c", "key_sha256": "2" * 64}))
    await stand.settled()
    assert await stand.standings() == {"revoked": 1, "valid": 1}


@pytest.mark.parametrize("at_once", [True, False])
async def test_f2_a_certificate_told_of_under_two_cases_stays_with_the_first(
    pool: Any, known: Knowledge, issued: CertificateIssued, requested: Requested, at_once: bool
) -> None:
    stand, other = Stand(pool, known, now=NOW), another(issued, 5)
    stolen = other.model_copy(update={"case_id": CASE})
    if at_once:
        await stand.happen(other, stolen)
    else:
        await stand.happen(other)
        await stand.happen(stolen)
    await stand.happen(issued)
    await stand.settled()
    assert await stand.standings() == {"valid": 2}
    await stand.happen(requested())
    await stand.settled()
    assert await stand.standings() == {"revoked": 1, "valid": 1}
    serial = await pool.fetchval("select serial from revocations")
    assert serial == issued.serial


def test_f2_a_second_certificate_of_a_case_is_an_alarm_and_is_kept_beside_the_first(
    known: Knowledge, final: Entered, issued: CertificateIssued, event: MakeEvent
) -> None:
    told = event(issued.model_copy(update={"serial": "4a0c", "fingerprint": "2" * 64}))
    decision = decide(final, told, known, NOW)
    (act,) = decision.intents
    assert (decision.state, decision.events, act.kind) == (final, (), IRREGULAR)
    found = act.data
    assert isinstance(found, Irregular)
    assert (found.code, found.serial, found.fingerprint) == ("second-certificate", "4a0c", "2" * 64)
    second = found.second
    assert second is not None
    assert (second.second_of, second.recipients, second.serial) == (issued.key(), (), "4a0c")
    key = second_key(issued.key(), "test-ec", "4a0c")
    for compromised in (False, True):
        noted = Result(uuid4(), issued.key(), IRREGULAR, Noted(second=second, compromised=compromised))
        after = decide(final, noted, known, NOW)
        standing, *requests = after.events
        assert isinstance(standing, StandingChanged)
        assert (standing.serial, standing.standing) == ("4a0c", Standing.VALID)
        assert [it.case_id for it in requests if isinstance(it, RevocationRequested)] == [key] * compromised
    again = replace(known, holders={("test-ec", "4a0c"): str(key)})
    assert decide(final, told, again, NOW) == Decision(final)


def test_f2_a_second_certificate_is_revoked_without_a_word_to_the_customer(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    second = Valid(replace(certificate, second_of=str(CASE), recipients=()))
    decision = decide(second, event(requested()), known, NOW)
    assert isinstance(decision.state, Registered)
    assert [intent.kind for intent in decision.intents] == ["publish"]
    assert decision.events == ()


def test_f2_a_certificate_of_another_case_is_an_alarm_and_stays_with_that_case(
    known: Knowledge, issued: CertificateIssued, event: MakeEvent
) -> None:
    """The certificate of a case is told under another case's name, before that one has its own."""
    other = replace(known, holders={("test-ec", issued.serial): "another"})
    decision = decide(None, event(issued), other, NOW)
    assert (decision.state, decision.events) == (None, ())
    assert [intent.data.code for intent in decision.intents if isinstance(intent.data, Irregular)] == [
        "certificate-of-another-case"
    ]


def test_f2_values_of_the_event_that_its_certificate_contradicts_are_an_alarm_and_do_not_count(
    known: Knowledge, issued: CertificateIssued, event: MakeEvent
) -> None:
    facts = verified(issued, NOW, ("serial", "partition"), serial="4a0d", partition=7)
    decision = decide(None, replace(event(issued), facts=facts), known, NOW)
    assert isinstance(decision.state, Valid)
    assert (decision.state.certificate.serial, decision.state.certificate.partition) == ("4a0d", 7)
    (act,) = decision.intents
    assert isinstance(act.data, Irregular)
    assert (act.data.code, act.data.differ) == ("fields-differ", ("serial", "partition"))


def test_f2_another_void_serial_number_of_a_case_is_an_alarm(
    known: Knowledge, final: Entered, issued: CertificateIssued, event: MakeEvent
) -> None:
    voided = CertificateVoided(
        case_id=CASE, issuer="test-ec", serial="4a0e", serial_decimal=str(0x4A0E), code="deadline"
    )
    decision = decide(final, event(voided), known, NOW)
    assert decision.state == final
    assert [intent.data.code for intent in decision.intents if isinstance(intent.data, Irregular)] == ["second-end"]


def test_f2_the_event_of_a_certificate_that_no_ca_signed_is_parked(
    known: Knowledge, issued: CertificateIssued, event: MakeEvent
) -> None:
    forged = replace(event(issued), facts=Untrusted("certificate-signature", "The certificate is not signed."))
    with pytest.raises(Unanswerable) as parked:
        decide(None, forged, known, NOW)
    assert parked.value.code == "certificate-signature"
    with pytest.raises(AssertionError):
        decide(None, replace(forged, facts=None), known, NOW)
