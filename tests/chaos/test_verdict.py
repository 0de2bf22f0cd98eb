"""The verdict finds every error: each test spoils one value of a correct run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_schemas.case import CaseState
from servicecert_schemas.revocation import Standing
from servicecert_schemas.values import CertificateType

from chaos.observers import Mail, Signature
from chaos.plan import Case, Poison, PoisonRecord, Scenario
from chaos.tables import CertificateRow, ParkedRow, Tables
from chaos.topics import CaseEvents, Issued, Revoked, Topics
from chaos.verdict import CONVERSATIONS, Evidence, _wrong_voids, judge

CASE = Case(UUID(int=1), CertificateType.TEST_SERVER, 0, Scenario.REVOKED, (uuid4(), uuid4(), uuid4()), False, False)
POISON = PoisonRecord(Poison.NOISE, "applications", uuid4(), uuid4())
MAILS = tuple(UUID(int=n) for n in range(10, 14))
TOLD = UUID(int=20)
POSITION = ("applications", 3, 8)


def good() -> Evidence:
    """Return one case that is issued, mailed and revoked, and one poison record that is parked."""
    events = CaseEvents(
        accepted={uuid4()},
        issued={uuid4(): Issued("test-ec", "0a", "whole", "tbs")},
        revoked={uuid4(): Revoked("test-ec", "0a", 2, "test-ec.7")},
        versions=[1, 2, 3],
        state=CaseState.REVOKED,
        serial="0a",
        deliveries=4,
    )
    for mail in MAILS:
        events.handed_over[mail] = {uuid4()}
    topics = Topics()
    topics.cases[CASE.case_id] = events
    topics.crl_numbers["test-ec", 0] = [1, 2]
    topics.crl_numbers["test-ec", 7] = [2]
    topics.parked["intake", POSITION] = {"no-event"}
    topics.intended = {"tbs"}
    topics.standings["test-ec", "0a"] = [Standing.VALID, Standing.REVOKED]
    return Evidence(
        topics=topics,
        tables=Tables(
            certificates={CASE.case_id: CertificateRow("issued", "test-ec", "0a", "tbs", "whole")},
            standings={CASE.case_id: "revoked"},
            views={CASE.case_id: (3, "revoked")},
            mails=dict.fromkeys(MAILS, (CASE.case_id, "handed-over")),
            crl_numbers={("test-ec", 0): frozenset({1, 2}), ("test-ec", 7): frozenset({2})},
            parked=[ParkedRow("intake", POSITION, "no-event")],
            open={},
        ),
        poison=[(POISON, POSITION)],
        mails={mail: Mail(1, {b"us": {b"text"}}, "whole") for mail in MAILS},
        published={"test-ec": (2, frozenset({10})), "test-ec.7": (2, frozenset({10}))},
        fetched={("test-ec", 1): frozenset(), ("test-ec", 2): frozenset({10}), ("test-ec.7", 2): frozenset({10})},
        fetch_order=[("test-ec", 1), ("test-ec.7", 2), ("test-ec", 2)],
        signatures=[Signature("key", "tbs", b""), Signature("key", "crl", bytes((4, 3, 2, 1, 2)))],
        ca_keys={"key": "test-ec"},
    )


def case_events(evidence: Evidence) -> CaseEvents:
    return evidence.topics.cases[CASE.case_id]


def test_a_good_run_is_clean() -> None:
    assert judge([CASE], good()).is_clean


def received_again(evidence: Evidence, copies: int) -> Evidence:
    return replace(evidence, mails={**evidence.mails, MAILS[0]: Mail(1 + copies, {b"us": {b"text"}}, "whole")})


def test_C3_a_mail_may_come_again_for_each_lost_answer_and_each_conversation_of_a_lost_notifier() -> None:
    assert judge([CASE], replace(received_again(good(), 1), answers_lost=1)).is_clean
    lost = replace(good(), answers_lost=3, notifier_losses=4)
    assert judge([CASE], received_again(lost, 3 + 4 * CONVERSATIONS)).is_clean
    (finding,) = judge([CASE], received_again(lost, 3 + 4 * CONVERSATIONS + 1)).doubled
    assert finding.startswith(f"{4 + 4 * CONVERSATIONS} mails were received again")


def test_two_releases_may_each_write_a_mail_in_their_own_text() -> None:
    texts = {b"us": {b"text"}, b"the last release": {b"other"}}
    evidence = replace(received_again(good(), 1), answers_lost=1)
    mails = {**evidence.mails, MAILS[0]: Mail(2, texts, "whole")}
    assert judge([CASE], replace(evidence, mails=mails)).is_clean


def bounced(evidence: Evidence) -> Evidence:
    """A mail came back, and another recipient was told of the address."""
    mails = {**evidence.tables.mails, MAILS[0]: (CASE.case_id, "bounced"), TOLD: (CASE.case_id, "handed-over")}
    case_events(evidence).handed_over[TOLD] = {uuid4()}
    case_events(evidence).deliveries += 1
    return replace(
        evidence,
        tables=replace(evidence.tables, mails=mails),
        mails={**evidence.mails, TOLD: Mail(1, {b"us": {b"text"}}, None)},
    )


def test_a_mail_is_bounced_if_it_came_back_and_only_then() -> None:
    assert judge([CASE], replace(bounced(good()), bounced=frozenset({MAILS[0]}))).is_clean
    assert f"{CASE.case_id}'s mail {MAILS[0]} is bounced" in judge([CASE], bounced(good())).inconsistencies
    kept = judge([CASE], replace(good(), bounced=frozenset({MAILS[0]}))).inconsistencies
    assert f"{CASE.case_id}'s mail {MAILS[0]} is handed-over" in kept


def no_certificate(evidence: Evidence) -> Evidence:
    case_events(evidence).issued.clear()
    return evidence


def ended_in_another_state(evidence: Evidence) -> Evidence:
    case_events(evidence).state = CaseState.DELIVERED
    return evidence


def one_mail_less(evidence: Evidence) -> Evidence:
    return replace(evidence, tables=replace(evidence.tables, mails=dict(list(evidence.tables.mails.items())[1:])))


def not_revoked(evidence: Evidence) -> Evidence:
    return replace(evidence, tables=replace(evidence.tables, standings={CASE.case_id: "registered"}))


def poison_not_parked(evidence: Evidence) -> Evidence:
    return replace(evidence, tables=replace(evidence.tables, parked=[]))


def poison_reported_twice(evidence: Evidence) -> Evidence:
    evidence.topics.parked["intake", POSITION].add("behind")
    return evidence


def poison_not_reported(evidence: Evidence) -> Evidence:
    evidence.topics.parked.clear()
    return evidence


def issued_twice(evidence: Evidence) -> Evidence:
    case_events(evidence).issued[uuid4()] = Issued("test-ec", "0b", "other", "other")
    return evidence


def accepted_twice(evidence: Evidence) -> Evidence:
    case_events(evidence).accepted.add(uuid4())
    return evidence


def another_text(evidence: Evidence) -> Evidence:
    return replace(evidence, mails={**evidence.mails, MAILS[0]: Mail(2, {b"us": {b"text", b"other"}}, "whole")})


def serial_twice(evidence: Evidence) -> Evidence:
    evidence.topics.cases[uuid4()].issued[uuid4()] = Issued("test-ec", "0a", "other", "other")
    return evidence


def other_bytes_signed(evidence: Evidence) -> Evidence:
    return replace(evidence, signatures=[*evidence.signatures, Signature("key", "unheard of", b"")])


def crl_without_a_number(evidence: Evidence) -> Evidence:
    return replace(evidence, signatures=[*evidence.signatures, Signature("key", "crl", bytes((4, 3, 2, 1, 3)))])


def certificate_not_intended_in_a_topic(evidence: Evidence) -> Evidence:
    evidence.topics.intended.clear()
    return evidence


def other_certificate_published(evidence: Evidence) -> Evidence:
    row = CertificateRow("issued", "test-ec", "0a", "other tbs", "whole")
    return replace(evidence, tables=replace(evidence.tables, certificates={CASE.case_id: row}), signatures=[])


def other_certificate_mailed(evidence: Evidence) -> Evidence:
    return replace(evidence, mails={**evidence.mails, MAILS[0]: Mail(1, {b"us": {b"text"}}, "other")})


def good_event_parked(evidence: Evidence) -> Evidence:
    row = ParkedRow("issuer", ("accepted-applications", 0, 0), "storing-raised")
    return replace(evidence, tables=replace(evidence.tables, parked=[*evidence.tables.parked, row]))


def version_missing(evidence: Evidence) -> Evidence:
    case_events(evidence).versions = [1, 3]
    return evidence


def version_twice(evidence: Evidence) -> Evidence:
    case_events(evidence).versions = [1, 2, 3, 3]
    return evidence


def production_ca(evidence: Evidence) -> Evidence:
    case_events(evidence).issued = {uuid4(): Issued("production-ec", "0a", "whole", "tbs")}
    return evidence


def mail_not_received(evidence: Evidence) -> Evidence:
    return replace(evidence, mails={mail: evidence.mails[mail] for mail in MAILS[1:]})


def not_on_the_named_crl(evidence: Evidence) -> Evidence:
    return replace(evidence, fetched={**evidence.fetched, ("test-ec.7", 2): frozenset()})


def off_the_last_crl(evidence: Evidence) -> Evidence:
    return replace(evidence, published={**evidence.published, "test-ec": (3, frozenset())})


def off_the_last_partition(evidence: Evidence) -> Evidence:
    return replace(evidence, published={**evidence.published, "test-ec.7": (3, frozenset())})


def more_on_a_partition(evidence: Evidence) -> Evidence:
    return replace(evidence, published={**evidence.published, "test-ec.6": (2, frozenset({11}))})


def crl_with_two_events(evidence: Evidence) -> Evidence:
    evidence.topics.crl_numbers["test-ec", 0] = [1, 2, 2]
    return evidence


def crl_number_falls(evidence: Evidence) -> Evidence:
    return replace(evidence, fetch_order=[*evidence.fetch_order, ("test-ec", 1)])


def crl_not_served(evidence: Evidence) -> Evidence:
    return replace(evidence, fetch_order=[("test-ec.7", 2), ("test-ec", 2)])


def not_published_to_ocsp(evidence: Evidence) -> Evidence:
    evidence.topics.standings["test-ec", "0a"] = [Standing.VALID]
    return evidence


def unknown_to_ocsp(evidence: Evidence) -> Evidence:
    evidence.topics.standings["test-ec", "0a"] = [Standing.REVOKED]
    return evidence


VOID = UUID(int=2)


def with_a_void(evidence: Evidence) -> Evidence:
    """Add a second case that ended void."""
    evidence.topics.cases[VOID].voided.add(("test-ec", "0c"))
    evidence.topics.standings["test-ec", "0c"] = [Standing.REVOKED]
    tables = evidence.tables
    row = CertificateRow("voided", "test-ec", "0c", "void tbs", None)
    return replace(
        evidence,
        tables=replace(
            tables,
            certificates={**tables.certificates, VOID: row},
            standings={**tables.standings, VOID: "revoked"},
            views={**tables.views, VOID: (1, "refused")},
        ),
        published={"test-ec": (2, frozenset({10, 12})), "test-ec.7": (2, frozenset({10, 12}))},
    )


def voids(evidence: Evidence) -> list[str]:
    return list(_wrong_voids(evidence))


def test_B2_a_void_that_is_revoked_without_a_word_is_clean() -> None:
    assert voids(with_a_void(good())) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda of: of.topics.cases[VOID].voided.clear(),
        lambda of: of.topics.cases[VOID].revoked.update({uuid4(): Revoked("test-ec", "0c", 2, "test-ec.7")}),
        lambda of: of.topics.standings.pop(("test-ec", "0c")),
        lambda of: of.topics.standings["test-ec", "0c"].append(Standing.VALID),
        lambda of: of.tables.standings.update({VOID: "listed"}),
        lambda of: of.tables.certificates.pop(VOID),
        lambda of: of.published.update({"test-ec": (3, frozenset({10}))}),
    ],
)
def test_B2_a_void_that_is_not_revoked_or_is_published_as_such_is_found(spoil: Callable[[Any], object]) -> None:
    evidence = with_a_void(good())
    spoil(evidence)
    findings = voids(evidence)
    assert findings
    assert set(findings) <= set(judge([CASE], evidence).inconsistencies)


def outbox_left(evidence: Evidence) -> Evidence:
    return replace(evidence, tables=replace(evidence.tables, open={"issuer.outbox": 1}))


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        *(
            ("lost", each)
            for each in (
                no_certificate,
                ended_in_another_state,
                one_mail_less,
                not_revoked,
                poison_not_parked,
                poison_not_reported,
            )
        ),
        *(
            ("doubled", each)
            for each in (issued_twice, accepted_twice, another_text, serial_twice, poison_reported_twice)
        ),
        *(
            ("orphans", each)
            for each in (
                other_bytes_signed,
                crl_without_a_number,
                certificate_not_intended_in_a_topic,
                other_certificate_published,
                other_certificate_mailed,
            )
        ),
        ("wrongly_parked", good_event_parked),
        *(
            ("inconsistencies", each)
            for each in (
                version_missing,
                version_twice,
                production_ca,
                mail_not_received,
                not_on_the_named_crl,
                off_the_last_crl,
                off_the_last_partition,
                more_on_a_partition,
                crl_with_two_events,
                crl_number_falls,
                crl_not_served,
                not_published_to_ocsp,
                unknown_to_ocsp,
                outbox_left,
            )
        ),
    ],
)
def test_what_is_wrong_is_found_under_its_name(kind: str, spoil: Callable[[Evidence], Evidence]) -> None:
    assert getattr(judge([CASE], spoil(good())), kind)
