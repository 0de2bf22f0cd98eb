"""Every reader of ours lives with a newer writer's member of an open list: decoded, decided, stored and shown.

The story of one case is told to each service from its stored records, with the newer member in one of them. What each
reader then does with it is in the tests below, by rule.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid5

import pytest
from contracts.members import EXAMPLES, NEWER, Place, place, places
from pydantic import TypeAdapter
from rich.console import Console
from servicecert_cli.commands.cases import facts
from servicecert_cli.demo import narrator
from servicecert_cli.demo.elements import Chapter, Progress, Title, listed
from servicecert_cli.terminal.printing import Printer
from servicecert_intake.domain import decide as intake
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.knowledge import Knowledge as IntakeKnowledge
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS
from servicecert_intake.domain.rules.application import JudgedCsr
from servicecert_issuer.domain.decide import HANDLERS as ISSUER_HANDLERS
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.unissuable import unissuable
from servicecert_notifier.domain import decide as notifier
from servicecert_notifier.domain.case_facts import CaseFacts
from servicecert_notifier.domain.ledger import Ledger, addressed
from servicecert_notifier.domain.task import Letterhead, MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_pki.crl import Reason
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.domain.crl_orders import entry
from servicecert_revoker.domain.decide import HANDLERS
from servicecert_revoker.domain.decide import decide as decide_revocation
from servicecert_revoker.domain.knowledge import Knowledge as RevokerKnowledge
from servicecert_revoker.domain.status import Entered
from servicecert_revoker.ocsp.domain.standings import Revoked, Standings
from servicecert_schemas.account import AccountMemberAdded
from servicecert_schemas.application import ApplicationSubmitted
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import EVENTS, decode
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import Change, EventData
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    RevocationReason,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
)
from servicecert_schemas.topics import CATALOGUE, SERVICES, TOPIC_OF, parked_topic
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Event
from services.revoker.stand import examined

NOW = datetime(2027, 3, 3, 12, tzinfo=UTC)
HEAD = Letterhead(sender="ca@example.fi", name="Authority", contact="help@example.fi")
CASE = UUID("6f1c9d52-8f0a-4c58-9b3e-0d9b6a3c7e11")
PROFILES = load_profiles()
PARKED = {parked_topic(service).name for service in SERVICES}
OPEN = [pytest.param(place, id=str(place)) for place in places() if place.is_open and place.type in EVENTS]
Story = list[Event]


@cache
def told(event_type: str, variant: int, newer: Place | None) -> Event:
    """Return the event of a stored record, of the one case and account, perhaps with a newer member."""
    example = EXAMPLES[event_type][variant]
    value = example["value"] if newer is None else newer.value()
    if value.get("case_id") is not None:
        value = {**value, "case_id": str(CASE)}
    if "actor" in value:
        value = {**value, "actor": {**value["actor"], "account_id": "account-3107"}}
    key = str(CASE) if example["key"] == example["value"].get("case_id") else example["key"]
    headers = [(name, text.encode()) for name, text in {**example["headers"], "ce_partitionkey": key}.items()]
    envelope, data = decode(example["topic"], key.encode(), headers, json.dumps(value).encode())
    return Event(uuid5(CASE, f"{event_type}/{variant}"), data.key(), data, envelope.time)


def story(newer: Place | None = None) -> Story:
    """Return all stored records, in the order of the catalogue, with the newer member in one of them."""
    return [
        told(event.TYPE, variant, newer if newer and (newer.type, newer.variant) == (event.TYPE, variant) else None)
        for topic in CATALOGUE
        if topic.name not in PARKED
        for event in topic.events
        for variant in range(len(EXAMPLES[event.TYPE]))
    ]


def read_by(service: str, told: Story) -> Iterator[Event]:
    return (each for each in told if each.data.TYPE in TOPIC_OF and service in TOPIC_OF[each.data.TYPE].readers)


def accounts(told: Story) -> Any:
    return accounts_after(NO_ACCOUNTS, [Change(each.key, each.data, each.time) for each in read_by("intake", told)])


def intake_after(told: Story) -> tuple[Case, list[EventData]]:
    """Return the case after the story, stored and loaded after each event, and what was published."""
    known, stored, case = IntakeKnowledge(NO_REGISTERS, accounts(told)), TypeAdapter(Case), None
    published: list[EventData] = []
    for each in read_by("intake", told):
        if each.key != str(CASE) or type(each.data) not in intake.HANDLERS:
            continue
        event = Event(each.id, each.key, each.data, each.time, JudgedCsr(der="MIIB"))
        decision = intake.decide(PROFILES, case, event, known, NOW)
        assert decision.state is not None
        case = stored.validate_json(stored.dump_json(decision.state))
        published += decision.events
    assert case is not None
    return case, published


def revoker_after(told: Story) -> tuple[Any, list[EventData]]:
    """Return the certificate's status after the story, and what was published."""
    known, status = RevokerKnowledge(accounts(told)), None
    published: list[EventData] = []
    for each in read_by("revoker", told):
        if each.key == str(CASE) and type(each.data) in HANDLERS:
            decision = decide_revocation(status, examined(each), known, NOW)
            status = decision.state
            published += decision.events
    if isinstance(status, Entered):
        entry(status.certificate, status.revocation)
    return status, published


def mails_after(told: Story) -> list[MailTask]:
    """Return the mails that the story causes, each written."""
    ledger: Ledger | None = None
    stored, mails = TypeAdapter(CaseFacts), []
    for each in read_by("notifier", told):
        if type(each.data) not in notifier.HANDLERS or not notifier.concerns(each.data):
            continue
        decision = notifier.decide(ledger, each, None, NOW)
        mails += [MailTask.model_validate_json(intent.data.model_dump_json()) for intent in decision.intents]
        if (ledger := decision.state) is not None:
            assert stored.validate_json(stored.dump_json(ledger.facts)) == ledger.facts
    for mail in mails:
        write(mail, HEAD)
    return mails


def issuer_after(told: Story) -> None:
    for each in read_by("issuer", told):
        if type(each.data) in ISSUER_HANDLERS:
            Decide(timedelta(days=7))(
                None, Event(each.id, each.key, each.data, each.time, unissuable("validity")), None, NOW
            )


def responder_after(told: Story) -> Standings:
    standings = Standings()
    for each in told:
        if isinstance(each.data, StandingChanged):
            standings.take(each.data, each.time)
    return standings


def shown(told: Story, language: Language = Language.ENGLISH) -> str:
    """Return what the commands show of the views: the facts of each case, its states, and the demo's list."""
    console = Console(file=io.StringIO(), width=80)
    views = [each.data for each in told if isinstance(each.data, CaseChanged)]
    printer = Printer(console)
    for view in views:
        for label, value in (*facts(view, language), *(fact[:2] for fact in listed([view]).facts)):
            printer.fact(label, value)
        printer.states(view, 0)
        assert narrator.page((Title("", ""), Chapter(""), Progress(view, 0)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


READERS: dict[str, Callable[[Story], object]] = {
    "intake": intake_after,
    "issuer": issuer_after,
    "revoker": revoker_after,
    "notifier": mails_after,
    "ocsp-responder": responder_after,
    "e-service": shown,
}


@pytest.mark.parametrize("place", OPEN)
def test_E1_a_newer_member_of_an_open_list_stops_no_reader(place: Place) -> None:
    readers = [READERS[name] for name in TOPIC_OF[place.type].readers if name in READERS]
    assert readers
    for reader in readers:
        reader(story(place))


def test_E1_the_story_goes_all_the_way_without_a_newer_member() -> None:
    case, _ = intake_after(story())
    assert case.state is CaseState.REVOKED
    assert kinds(mails_after(story())) >= {"certificate-issued", "certificate-revoked"}
    assert isinstance(revoker_after(story())[0], Entered)
    assert isinstance(standing(story()), Revoked)
    assert "revocation-requested" in shown(story())


def test_A3_a_claimed_role_that_is_unknown_gives_and_takes_no_right() -> None:
    _, views = intake_after(story(place(ApplicationSubmitted, "actor.role")))
    assert isinstance(views[0], CaseChanged)
    assert views[0].answer is None
    status, _ = revoker_after(story(place(RevocationRequested, "actor.role")))
    assert isinstance(status, Entered)


def test_A3_a_member_with_an_unknown_role_has_it_and_no_other() -> None:
    newer = place(AccountMemberAdded, "role")
    added = told(newer.type, newer.variant, newer)
    assert isinstance(added.data, AccountMemberAdded)
    account = accounts(story(newer))["account-3107"]
    member = account.members[added.data.user_id, added.data.case_id]
    assert type(member.role) is UnknownMember


def test_D2_a_reason_that_is_unknown_revokes_and_claims_the_least() -> None:
    status, published = revoker_after(story(place(RevocationRequested, "reason")))
    assert isinstance(status, Entered)
    assert status.revocation.reason is RevocationReason.NO_LONGER_NEEDED
    (registered,) = [each for each in published if isinstance(each, RevocationRegistered)]
    assert registered.reason is RevocationReason.NO_LONGER_NEEDED
    assert not [each for each in published if isinstance(each, KeyCompromised)]


def test_D8_a_standing_with_an_unknown_reason_is_revoked_without_one_and_an_exposed_key_overrides_it() -> None:
    newer = place(StandingChanged, "reason")
    status = standing(story(newer))
    assert isinstance(status, Revoked)
    assert status.reason is None
    overridden = standing([*story(newer), *(each for each in story() if isinstance(each.data, StandingChanged))])
    assert isinstance(overridden, Revoked)
    assert overridden.reason is Reason.KEY_COMPROMISE


@pytest.mark.parametrize("field", ["kind", "recipient"])
def test_C3_a_mail_of_an_unknown_kind_or_to_an_unknown_role_is_kept_in_the_view(field: str) -> None:
    case, published = intake_after(story(place(MailHandedOver, field)))
    assert NEWER in [getattr(each, field) for each in case.deliveries]
    views = [each for each in published if isinstance(each, CaseChanged)]
    assert f'"{field}":"{NEWER}"' in views[-1].model_dump_json()


def test_D5_the_mail_on_a_revocation_shows_an_unknown_reason_by_its_identifier() -> None:
    newer = place(CertificateRevoked, "reason")
    (mail, *_) = [each for each in mails_after(story(newer)) if each.content.kind == "certificate-revoked"]
    for language in Language:
        assert NEWER in write(mail.model_copy(update={"language": language}), HEAD).text


def test_C1_an_unknown_recipient_gets_no_mail_and_the_others_get_theirs() -> None:
    newer = place(CertificateIssued, "recipients.0.role")
    roles = [each.recipient.role for each in mails_after(story(newer)) if each.content.kind == "certificate-issued"]
    assert roles
    assert NEWER not in roles
    issued = told(CertificateIssued.TYPE, 0, newer).data
    assert isinstance(issued, CertificateIssued)
    assert addressed(issued.recipients[:1], MailKind.CERTIFICATE_ISSUED) == ()


def test_E2_an_unknown_deadline_or_mark_causes_no_reminder() -> None:
    of_a_kind = told(DeadlineWarned.TYPE, 0, place(DeadlineWarned, "kind"))
    of_a_mark = told(DeadlineWarned.TYPE, 0, place(DeadlineWarned, "mark"))
    completion = of_a_mark.data.model_copy(update={"kind": DeadlineKind.COMPLETION})
    for warned in (of_a_kind, replace(of_a_mark, data=completion)):
        assert notifier.decide(None, warned, None, NOW).state is None
    known = replace(of_a_mark, data=completion.model_copy(update={"mark": DeadlineMark.HALF}))
    assert notifier.decide(None, known, None, NOW).state is not None


@pytest.mark.parametrize("language", Language)
def test_E1_an_unknown_state_is_shown_by_its_identifier_with_the_next_step(language: Language) -> None:
    newer = place(CaseChanged, "state")
    view = told(newer.type, newer.variant, newer)
    assert isinstance(view.data, CaseChanged)
    text = shown([view], language)
    assert NEWER in text
    assert " ".join(view.data.next_step.in_language(language).split()[:3]) in text


@pytest.mark.parametrize("language", Language)
def test_E1_an_unknown_next_actor_is_shown_by_its_identifier(language: Language) -> None:
    newer = place(CaseChanged, "acts_next")
    assert NEWER in shown([told(newer.type, newer.variant, newer)], language)


def kinds(mails: list[MailTask]) -> set[str]:
    return {mail.content.kind for mail in mails}


def standing(told: Story) -> object:
    event = next(each.data for each in told if isinstance(each.data, StandingChanged))
    return responder_after(told).of(event.issuer, int(event.serial, 16))
