"""F5: whatever number, list, text or date an event holds, a turn with it is bounded, and so is what follows from it.

Each field of each event is set to its extremes by its exported JSON Schema. The event is decoded, and decided by each
service that reads it, in each state that a case can have. The work is counted in lines, not in time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from contracts.extremes import Extreme, TooMuchWork, extremes, limited
from contracts.members import EXAMPLES
from contracts.test_newer_members import CASE, NOW, PROFILES, accounts, read_by, story
from examples import encode
from identities import InMemory
from pydantic import ValidationError
from servicecert_intake.domain import decide as intake
from servicecert_intake.domain.examine import examine
from servicecert_intake.domain.knowledge import Knowledge as IntakeKnowledge
from servicecert_intake.domain.knowledge import apply as apply_to_intake
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS
from servicecert_intake.domain.rules.application import JudgedCsr
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Linted
from servicecert_notifier.domain import decide as notifier
from servicecert_notifier.domain.task import Letterhead
from servicecert_notifier.mail.domain.letters import write
from servicecert_pki.authority import Authority
from servicecert_pki.names import check_dns_name
from servicecert_pki.partitions import MOST_PARTITIONS as MOST_OF_SETTINGS
from servicecert_pki.partitions import partition_of
from servicecert_pki.responder_certificate import ResponderRefused, requested_key
from servicecert_pki.serials import LARGEST_SERIAL
from servicecert_revoker.domain.certificates import Void, bound
from servicecert_revoker.domain.decide import decide as decide_revocation
from servicecert_revoker.domain.knowledge import Knowledge as RevokerKnowledge
from servicecert_revoker.domain.knowledge import apply as apply_to_revoker
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued, CertificateVoided
from servicecert_schemas.codec import MAX_EVENT_BYTES, VERSIONS
from servicecert_schemas.codec import Record as Made
from servicecert_schemas.event import Change, Envelope
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import ACCOUNTS, REGISTERS, TOPIC_OF
from servicecert_schemas.values import MOST_PARTITIONS
from servicecert_worker.core.decider import Decision, Event, Unanswerable, Untrusted
from servicecert_worker.core.record import Poison, Record, arrive
from services.revoker.stand import examined as as_examined_by_revoker

LINES = 100_000
"""The most lines of Python that one event may cost: a few times what an application with a hundred long names needs.

A hundred names of A-labels alone need more: each label is converted. That is bounded by the schema too.
"""
FOLLOWING = 40
"""How many events, intents and deadlines may follow from one event."""

HEAD = Letterhead(sender="ca@example.fi", name="Authority", contact="help@example.fi")
WRITERS = InMemory()
EXTREMES = [pytest.param(each, id=str(each)) for each in extremes()]
Decided: TypeAlias = Decision[Any]
Decider: TypeAlias = Callable[[Any, Event], Decided]


@cache
def known_to_intake() -> IntakeKnowledge:
    return IntakeKnowledge(NO_REGISTERS, accounts(story()))


@cache
def known_to_revoker() -> RevokerKnowledge:
    return RevokerKnowledge(accounts(story()))


def by_intake(case: Any, event: Event) -> Decided:
    (examined,) = examine([event])
    return intake.decide(PROFILES, case, examined, known_to_intake(), NOW)


def by_intake_with_a_good_request(case: Any, event: Event) -> Decided:
    examined = Event(event.id, event.key, event.data, event.time, JudgedCsr(der="MIIB"))
    return intake.decide(PROFILES, case, examined, known_to_intake(), NOW)


def by_revoker(status: Any, event: Event) -> Decided:
    if isinstance(event.data, ResponderRequested):
        with pytest.raises(ResponderRefused) as refused:
            requested_key(event.data.request.encode())
        event = Event(event.id, event.key, event.data, event.time, Untrusted("responder-refused", str(refused.value)))
    return decide_revocation(status, as_examined_by_revoker(event), known_to_revoker(), NOW)


def by_notifier(ledger: Any, event: Event) -> Decided:
    decision = notifier.decide(ledger, event, None, NOW)
    for intent in decision.intents:
        write(intent.data, HEAD)
    return decision


def by_issuer(context: IssuingContext) -> Decider:
    def decide(state: Any, event: Event) -> Decided:
        data = event.data
        facts = examine_application(context, data, 1, NOW) if isinstance(data, ApplicationAccepted) else None
        return Decide(timedelta(days=7))(state, Event(event.id, event.key, data, event.time, facts), None, NOW)

    return decide


@pytest.fixture(scope="session")
def context(authority: Path) -> IssuingContext:
    # The list of public suffixes is read once in a process, so that it is no work of an event.
    check_dns_name("host.example.fi")
    return IssuingContext(Authority.load(authority), PROFILES, "http://crl.example.fi", lambda *_: (), partitions=16)


@cache
def states(service: str) -> tuple[Any, ...]:
    """Return each state that a case has in the story, with none first."""
    decide = {"intake": by_intake_with_a_good_request, "revoker": by_revoker, "notifier": by_notifier}.get(service)
    found: list[Any] = [None]
    for event in read_by(service, story()):
        if decide is not None and event.key == str(CASE) and is_relevant(service, event):
            found.append(decide(found[-1], event).state)
    return tuple({id(state): state for state in found}.values())


def is_relevant(service: str, event: Event) -> bool:
    rules = import_module(f"servicecert_{service}.domain.decide")
    return type(event.data) in rules.HANDLERS and (service != "notifier" or notifier.concerns(event.data))


def event_of(extreme: Extreme) -> Event | Poison:
    """Return what the record decodes to, under the key that its data name."""
    example = EXAMPLES[extreme.type][extreme.variant]
    value = json.dumps(extreme.value, ensure_ascii=False)
    try:
        key = VERSIONS[extreme.type].model_validate_json(value).key()
    except ValidationError as error:
        pytest.fail(f"the schema allows what the model refuses: {error.error_count()} faults")
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    made = WRITERS.signed(Made(example["topic"], key.encode(), headers, value.encode()))
    return arrive(Record(made.topic, 0, 0, made.key, made.headers, made.value, NOW), WRITERS.verifier).what


def turns(extreme: Extreme, event: Event, context: IssuingContext) -> Iterator[Callable[[], object]]:
    """Yield what each reader does with the event, in each state."""
    topic = TOPIC_OF.get(event.data.TYPE)
    change = Change(event.key, event.data, event.time)
    deciders: dict[str, Decider] = {
        "intake": by_intake,
        "issuer": by_issuer(context),
        "revoker": by_revoker,
        "notifier": by_notifier,
    }
    for reader in () if topic is None else topic.readers:
        if topic in (ACCOUNTS, REGISTERS):
            yield lambda: apply_to_intake(IntakeKnowledge(), [change])
            yield lambda: apply_to_revoker(RevokerKnowledge(), [change])
        elif reader in deciders and is_relevant(reader, event):
            for state in states(reader):
                yield partial(decided, deciders[reader], state, event)
    if isinstance(event.data, StandingChanged):
        yield lambda: Standings().take(event.data, event.time)


def decided(decide: Decider, state: Any, event: Event) -> None:
    """Decide an event, and check that what follows from it is bounded."""
    decision = decide(state, event)
    assert len(decision.events) + len(decision.intents) + len(decision.deadlines) <= FOLLOWING
    for data in decision.events:
        _, value = encode(Envelope(CASE, "/test", data.TYPE, data.key(), NOW, data.key()), data)
        assert len(value) <= MAX_EVENT_BYTES


@pytest.mark.parametrize("extreme", EXTREMES)
def test_f5_an_event_at_an_extreme_costs_a_bounded_turn(extreme: Extreme, context: IssuingContext) -> None:
    with limited(LINES):
        event = event_of(extreme)
    if isinstance(event, Poison):
        assert event.reason == "too-large" or extreme.type == "servicecert.record.parked.v1"
        return
    for turn in turns(extreme, event, context):
        # An event that nobody can be answered about is parked.
        with limited(LINES), suppress(Unanswerable):
            turn()


@pytest.mark.parametrize(
    "names", [[], [f"{'a' * 63}.{'b' * 63}.{'c' * 63}.w{n}.example.fi" for n in range(99)]], ids=["example", "most"]
)
def test_f5_an_application_with_all_its_names_costs_a_bounded_draft(names: list[str], context: IssuingContext) -> None:
    """The extremes above start from an application that gets a draft; most names of theirs are refused before."""
    value = deepcopy(EXAMPLES[ApplicationAccepted.TYPE][0]["value"])
    value["names"]["dns"] = [*value["names"]["dns"], *names][:100]
    application = ApplicationAccepted.model_validate_json(json.dumps(value))
    with limited(LINES):
        assert isinstance(examine_application(context, application, 1, NOW), Linted)


def issued(**changes: object) -> bytes:
    """Return the value of a `certificate.issued`."""
    return json.dumps({**EXAMPLES[CertificateIssued.TYPE][0]["value"], **changes}).encode()


def read(value: bytes) -> Event | Poison:
    example = EXAMPLES[CertificateIssued.TYPE][0]
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    made = WRITERS.signed(Made(example["topic"], example["key"].encode(), headers, value))
    return arrive(Record(made.topic, 0, 0, made.key, made.headers, made.value, NOW), WRITERS.verifier).what


@pytest.mark.parametrize("partition", [MOST_PARTITIONS + 1, 2**31 - 1, 2**53 - 1, -1])
def test_f5_a_partition_that_no_setting_allows_is_no_event(partition: int) -> None:
    """With it, a pass over a CA's CRLs went through two thousand million numbers: no certificate was revoked again."""
    what = read(issued(partition=partition))
    assert isinstance(what, Poison)
    assert what.reason == "wrong-schema"


@pytest.mark.parametrize("partition", [0, 17, MOST_PARTITIONS])
def test_f5_the_partition_of_a_void_number_follows_from_the_number(partition: int, authority: Path) -> None:
    """Whatever the event says, it is one of those that the settings name."""
    ca = Authority.load(authority)
    value = {**EXAMPLES[CertificateVoided.TYPE][0]["value"], "issuer": next(iter(ca.issuers)), "partition": partition}
    bounds = bound(CertificateVoided.model_validate_json(json.dumps(value)), NOW, ca, 16)
    assert isinstance(bounds, Void)
    assert bounds.partition == partition_of(int(value["serial"], 16), 16) <= 16


@pytest.mark.parametrize("serial", [LARGEST_SERIAL + 1, 2**160 - 1, 0])
def test_f5_a_serial_number_that_no_crl_can_list_is_no_event(serial: int) -> None:
    """Otherwise the lint of each CRL with it fails (D7), and the old CRL stays for ever."""
    what = read(issued(serial=serial.to_bytes(20).hex()))
    assert isinstance(what, Poison)
    assert isinstance(read(issued(serial=LARGEST_SERIAL.to_bytes(20).hex())), Event)


def test_f5_the_bounds_of_events_are_those_of_the_settings() -> None:
    assert MOST_PARTITIONS == MOST_OF_SETTINGS


def test_f5_work_without_end_is_found() -> None:
    def walk() -> None:
        for number in range(2**31):
            str(number)

    with pytest.raises(TooMuchWork), limited(1_000):
        walk()
