"""Which mails follow from what, and who reads what in them (C1, C4, E3)."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import BaseModel
from servicecert_notifier.domain.case_facts import NO_FACTS
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.ledger import RETRY, Ledger, addressed
from servicecert_notifier.domain.reminders import NOTHING_PREPARED, Prepared
from servicecert_notifier.domain.task import AUDIENCES, MailOutcome, MailState, MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_schemas.case import Answer, CaseState, HistoryEntry
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import Due, Result
from services.notifier.sample_mails import EVERY_MAIL, HEAD, SAMPLES

ORDERER = Recipient(role=RecipientRole.ORDERER, email="orderer@example.fi", name="Maija Mallikas")
CONTACT = Recipient(role=RecipientRole.TECHNICAL_CONTACT, email="contact@example.fi", name="Teppo Testaaja")
SHARED = Recipient(role=RecipientRole.SHARED_MAILBOX, email="shared@example.fi")
EVERYBODY = (ORDERER, CONTACT, SHARED)
REFERENCE = "PO 2026-118"


@pytest.fixture
def case(returned, now):
    """A view of a case that has just reached a state."""

    def make(state, *before, **changes):
        history = tuple(HistoryEntry(state=each, at=now) for each in (CaseState.SUBMITTED, *before, state))
        applied_for = returned.applied_for.model_copy(update={"customer_reference": REFERENCE})
        usual = {"state": state, "history": history, "recipients": EVERYBODY, "applied_for": applied_for}
        return returned.model_copy(update={**usual, "lapses": now + timedelta(days=180), **changes})

    return make


@pytest.fixture
def mails_for(as_event, now):
    """The mails that an event makes due_reminder."""

    def make(data, ledger=None):
        return [intent.data for intent in decide(ledger, as_event(data), NOTHING_PREPARED, now).intents]

    return make


def roles(mails):
    return [mail.recipient.role for mail in mails]


def test_C4_the_technical_contact_is_invited_to_attach_a_request_and_nobody_else(case, mails_for):
    mails = mails_for(case(CaseState.WAITING_FOR_CSR, deficiencies=()))
    assert roles(mails) == [RecipientRole.TECHNICAL_CONTACT]
    assert mails[0].content.kind is MailKind.CSR_INVITED


def test_C4_who_is_orderer_and_technical_contact_is_invited(case, mails_for):
    """The application names one address twice: intake keeps it as the orderer's."""
    mails = mails_for(case(CaseState.WAITING_FOR_CSR, deficiencies=(), recipients=(ORDERER, SHARED)))
    assert roles(mails) == [RecipientRole.ORDERER]


def test_C4_whose_address_is_corrected_while_the_case_waits_is_invited_too_and_once(case, mails_for, as_event, now):
    def happens(ledger, **changes):
        view = case(CaseState.WAITING_FOR_CSR, deficiencies=(), **changes)
        return decide(ledger, as_event(view), NOTHING_PREPARED, now).state, mails_for(view, ledger)

    ledger, _ = happens(None, version=2)
    (row,) = ledger.rows
    ledger = ledger.with_row(replace(row, state=MailState.DEFERRED))
    right = (ORDERER, CONTACT.model_copy(update={"email": "right@example.fi"}), SHARED)
    ledger, mails = happens(ledger, version=3, recipients=right)
    assert [mail.recipient.email for mail in mails] == ["right@example.fi"]
    assert [row.state for row in ledger.rows] == [MailState.SUPERSEDED, MailState.PLANNED]
    for version in (3, 4):
        ledger, mails = happens(ledger, version=version, recipients=right)
        assert mails == []
    other = (ORDERER.model_copy(update={"email": "other@example.fi"}), *right[1:])
    assert happens(ledger, version=5, recipients=other)[1] == []


@pytest.mark.parametrize(
    ("contact", "more"), [(ORDERER, (CONTACT,)), (SHARED, (ORDERER,))], ids=["swapped", "from the shared mailbox"]
)
def test_C4_who_becomes_technical_contact_from_another_role_is_invited(case, mails_for, as_event, now, contact, more):
    view = case(CaseState.WAITING_FOR_CSR, deficiencies=(), version=2)
    ledger = decide(None, as_event(view), NOTHING_PREPARED, now).state
    moved = contact.model_copy(update={"role": RecipientRole.TECHNICAL_CONTACT})
    others = tuple(each.model_copy(update={"role": RecipientRole.ORDERER}) for each in more)
    changed = case(CaseState.WAITING_FOR_CSR, deficiencies=(), version=3, recipients=(*others, moved))
    assert [mail.recipient.email for mail in mails_for(changed, ledger)] == [contact.email]


def test_C3_who_has_the_mail_in_another_role_gets_it_once(case, mails_for, as_event, now):
    """Intake names somebody who is orderer and technical contact once, as the orderer."""
    ledger = decide(None, as_event(case(CaseState.RETURNED, version=2, recipients=(ORDERER,))), NOTHING_PREPARED, now)
    new = Recipient(role=RecipientRole.ORDERER, email="new@example.fi")
    same = ORDERER.model_copy(update={"role": RecipientRole.TECHNICAL_CONTACT})
    mails = mails_for(case(CaseState.RETURNED, version=3, recipients=(new, same)), ledger.state)
    assert [mail.recipient.email for mail in mails] == ["new@example.fi"]


@pytest.mark.parametrize("after", [CaseState.WITHDRAWN, CaseState.ACCEPTED])
@pytest.mark.parametrize("before", [CaseState.WAITING_FOR_CSR, CaseState.RETURNED])
def test_C4_nobody_is_asked_to_do_what_is_over(case, as_event, now, before, after):
    """A deferred mail is not sent any more once the application was withdrawn or accepted."""
    decision = decide(None, as_event(case(before, version=2)), NOTHING_PREPARED, now)
    mail = decision.intents[0].data
    assert isinstance(mail, MailTask)
    row = replace(decision.state.row(mail.mail_id), state=MailState.DEFERRED, next_try_at=now)
    due = Due(uuid4(), str(mail.case_id), f"{RETRY}{mail.mail_id}", now)
    waiting, prepared = decision.state.with_row(row), Prepared(orders={mail.mail_id: mail})
    assert len(decide(waiting, due, prepared, now).intents) == 1
    ended = decide(waiting, as_event(case(after, before, version=3)), NOTHING_PREPARED, now).state
    decision = decide(ended, due, prepared, now)
    assert decision.intents == ()
    assert decision.state.row(mail.mail_id).state is MailState.SUPERSEDED


def test_C4_a_supplement_that_is_returned_again_for_the_same_is_told_each_time(case, mails_for, as_event, now):
    ledger = None
    for again in range(3):
        view = case(CaseState.RETURNED, version=2 + again, returned_again=again)
        assert len(mails_for(view, ledger)) == 2
        ledger = decide(ledger, as_event(view), NOTHING_PREPARED, now).state
        assert mails_for(view.model_copy(update={"version": 9}), ledger) == []


def test_C1_A13_an_address_corrected_to_that_of_another_role_leaves_each_role_its_certificate(issued, as_event, now):
    """Intake waits for the mail to each role of the form."""
    recipients = (ORDERER, CONTACT)
    facts = NO_FACTS.correcting(CONTACT.email, ORDERER.email)
    event = as_event(issued.model_copy(update={"recipients": recipients}))
    decision = decide(Ledger(issued.case_id, facts=facts), event, NOTHING_PREPARED, now)
    to = [(intent.data.recipient.role, intent.data.recipient.email) for intent in decision.intents]
    assert to == [(each.role, ORDERER.email) for each in recipients]


def test_C3_a_mail_to_a_corrected_address_ends_none_to_another_person(case, as_event, now):
    def happens(ledger, **changes):
        view = case(CaseState.RETURNED, **changes)
        return decide(ledger, as_event(view), NOTHING_PREPARED, now).state

    ledger = happens(None, version=2)
    _, contact = ledger.rows
    ledger = ledger.with_row(replace(contact, state=MailState.DEFERRED))
    for version, email in ((3, "right@example.fi"), (4, "righter@example.fi")):
        right = (ORDERER.model_copy(update={"email": email}), CONTACT)
        ledger = happens(ledger, version=version, recipients=right)
        assert ledger.row(contact.mail_id).state is MailState.DEFERRED
    assert [row.recipient for row in ledger.rows if row.mail_id != contact.mail_id] == [RecipientRole.ORDERER] * 3


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (CaseState.RETURNED, MailKind.APPLICATION_RETURNED),
        (CaseState.LAPSED, MailKind.APPLICATION_LAPSED),
        (CaseState.REFUSED, MailKind.APPLICATION_REFUSED),
    ],
)
def test_C4_orderer_and_technical_contact_hear_of_an_application(case, mails_for, state, kind):
    mails = mails_for(case(state))
    assert {mail.content.kind for mail in mails} == {kind}
    assert roles(mails) == [RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT]


@pytest.mark.parametrize(
    "state",
    [CaseState.ACCEPTED, CaseState.WITHDRAWN, CaseState.ISSUED, CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED],
)
def test_C4_other_states_are_told_on_the_page_only(case, mails_for, state):
    assert mails_for(case(state)) == []


def test_A2_who_was_not_strongly_authenticated_has_nothing_mailed(case, mails_for, now):
    texts = Texts(sv="s", fi="f", en="e")
    answer = Answer(event_id=uuid4(), code="not-strongly-authenticated", texts=texts, at=now)
    assert mails_for(case(CaseState.REFUSED, deficiencies=(), answer=answer)) == []


def test_C4_a_refusal_of_issuing_is_told_with_its_reason(case, mails_for, now):
    texts = Texts(sv="s", fi="Syy.", en="e")
    answer = Answer(event_id=uuid4(), code="validity-too-long", texts=texts, at=now)
    mails = mails_for(case(CaseState.REFUSED, CaseState.ACCEPTED, deficiencies=(), answer=answer))
    assert mails[0].content.reasons == ("Syy.",)
    silent = mails_for(case(CaseState.REFUSED, CaseState.ACCEPTED, deficiencies=(), answer=None))
    assert silent[0].content.reasons == ()


def test_E3_the_reference_of_the_customers_books_is_for_the_orderer_only(case, mails_for):
    for state in (CaseState.RETURNED, CaseState.LAPSED, CaseState.REFUSED):
        for mail in mails_for(case(state)):
            letter = write(mail, HEAD)
            is_shown = REFERENCE in letter.text or REFERENCE in letter.html
            assert is_shown is (mail.recipient.role is RecipientRole.ORDERER)


@pytest.mark.parametrize("kind", list(MailKind))
def test_E3_every_kind_has_an_audience(kind):
    assert AUDIENCES[kind]
    assert [recipient.role for recipient, _ in addressed(EVERYBODY, kind)] == [
        role for role in (each.role for each in EVERYBODY) if role in AUDIENCES[kind]
    ]
    assert addressed((), kind) == ()


@EVERY_MAIL
def test_E3_no_mail_names_a_person_or_an_address(task):
    """Not its own reader's either: the name stands in the header of their own mail, and nowhere else."""
    letter = write(task, HEAD)
    words = " ".join((letter.subject, letter.text, letter.html, *(file.name for file in letter.attachments)))
    people = ("mallikas", "testaaja", "maija", "teppo", "@laakaritalo", "@yllapito")
    assert not [name for name in people if name in words.lower()]


@pytest.mark.parametrize("name", ["certificate-issued", "certificate-issued-system"])
def test_I10_what_is_attached_holds_no_private_key(name):
    from base64 import b64decode

    from servicecert_pki.private_keys import without_private_keys

    task = SAMPLES[f"{name}.en"]
    for file in write(task, HEAD).attachments:
        content = b64decode(file.encoded)
        assert b"PRIVATE KEY" not in content
        assert without_private_keys(content) == content


# An address that is refused


@pytest.fixture
def refused(issued, as_event, now):
    """Refuses the mails with a certificate to some roles, one after the other."""

    def make(*refusing, ledger=None, event=None):
        event = event or issued.model_copy(update={"recipients": EVERYBODY})
        ledger = ledger or decide(None, as_event(event), NOTHING_PREPARED, now).state
        mails: list[BaseModel] = []
        for role in refusing:
            row = next(row for row in ledger.rows if row.recipient is role and row.state is MailState.PLANNED)
            outcome = MailOutcome(mail_id=row.mail_id, state=MailState.REFUSED, answer="550 5.1.1", attempts=1, at=now)
            result = Result(uuid4(), str(ledger.case_id), "mail", outcome)
            decision = decide(ledger, result, NOTHING_PREPARED, now)
            ledger, mails = decision.state, [*mails, *(intent.data for intent in decision.intents)]
        return ledger, mails

    return make


def test_C3_the_orderer_hears_that_the_technical_contacts_address_is_refused(refused):
    _, (mail,) = refused(RecipientRole.TECHNICAL_CONTACT)
    assert isinstance(mail, MailTask)
    assert mail.recipient == ORDERER
    assert (mail.content.kind, mail.content.refused) == (MailKind.ADDRESS_REFUSED, RecipientRole.TECHNICAL_CONTACT)
    assert mail.content.told is MailKind.CERTIFICATE_ISSUED


def test_C3_the_technical_contact_hears_that_the_orderers_address_is_refused(refused):
    _, mails = refused(RecipientRole.ORDERER)
    assert [mail.recipient for mail in mails] == [CONTACT]


def test_C3_nobody_whose_own_address_is_refused_is_told(refused):
    _, mails = refused(RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)
    assert [mail.recipient for mail in mails] == [CONTACT, SHARED]


def test_C3_an_address_is_told_once_for_a_case(refused, revoked, as_event, now):
    ledger, _ = refused(RecipientRole.TECHNICAL_CONTACT)
    later = revoked.model_copy(update={"case_id": ledger.case_id, "recipients": EVERYBODY})
    both = decide(ledger, as_event(later), NOTHING_PREPARED, now).state
    _, mails = refused(RecipientRole.TECHNICAL_CONTACT, ledger=both)
    assert mails == []


def test_C3_that_an_address_is_refused_is_not_told_of_this_mail_itself(refused):
    ledger, _ = refused(RecipientRole.TECHNICAL_CONTACT)
    settled = [
        replace(row, state=MailState.HANDED_OVER) for row in ledger.rows[:3] if row.recipient is not CONTACT.role
    ]
    for row in settled:
        ledger = ledger.with_row(row)
    _, mails = refused(RecipientRole.ORDERER, ledger=ledger)
    assert mails == []


def test_C3_nobody_is_told_where_there_is_nobody_else(refused, issued):
    _, mails = refused(RecipientRole.ORDERER, event=issued.model_copy(update={"recipients": (ORDERER,)}))
    assert mails == []
