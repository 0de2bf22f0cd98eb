"""Intake, issuer and notifier with changed profiles: an application is judged, and if accepted, issued and mailed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from journeys.judged.table import request
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.decide import decide
from servicecert_intake.domain.examine import examine
from servicecert_intake.domain.knowledge import Knowledge
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, apply
from servicecert_issuer.domain.act import check_order
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.examine import ApplicationFacts, IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Intended, Signed, SigningOrder
from servicecert_notifier.domain.decide import decide as notify
from servicecert_notifier.domain.reminders import NOTHING_PREPARED
from servicecert_notifier.domain.task import Letterhead, MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Letter
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Linter
from servicecert_pki.profiles import Profiles
from servicecert_schemas.application import ApplicationSubmitted, Form
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued
from servicecert_schemas.event import Actor
from servicecert_worker.core.decider import Event, Result
from services.intake.conftest import CASE_ID, COLLEAGUE, SERVER_FORM, from_own_account

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
DECIDE = Decide(sign_within=timedelta(days=7))
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001
KNOWN = Knowledge(apply(NO_REGISTERS, [(entry.key(), entry) for entry in read_register(FICTITIOUS_REGISTERS)]))


@dataclass(frozen=True)
class Judged:
    """The customer's view of a case and, if it is accepted, what the issuer is told."""

    view: CaseChanged
    accepted: ApplicationAccepted | None

    @property
    def lacks(self) -> dict[tuple[str, str], tuple[str, str, str]]:
        """The deficiencies: their texts by code and field."""
        return {
            (each.code, each.field): (each.texts.sv, each.texts.fi, each.texts.en) for each in self.view.deficiencies
        }


def judged(profiles: Profiles, fields: Mapping[str, Any], csr: str, known: Knowledge = KNOWN) -> Judged:
    """Return intake's decision on a new application, with the stored request of this name."""
    form = Form.model_validate({**SERVER_FORM, **fields})
    data = ApplicationSubmitted(
        case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE), form=form, csr=request(f"{csr}.pem")
    )
    (event,) = examine([Event(UUID(int=1), data.key(), data, NOW)])
    decision = decide(profiles, None, event, from_own_account(known, form), NOW)
    (view,) = (each for each in decision.events if isinstance(each, CaseChanged))
    accepted = [each for each in decision.events if isinstance(each, ApplicationAccepted)]
    assert (view.state is CaseState.ACCEPTED) == (len(accepted) == 1)
    assert view.state in (CaseState.ACCEPTED, CaseState.RETURNED)
    return Judged(view, accepted[0] if accepted else None)


@dataclass(frozen=True)
class Issuer:
    """The issuer's examination, with an authority and the real checks of drafts."""

    authority: Authority
    linter: Linter

    def examined(
        self, profiles: Profiles, application: ApplicationAccepted, moment: datetime = NOW, **changes: Any
    ) -> ApplicationFacts:
        context = IssuingContext(self.authority, profiles, "http://crl.example.fi", self.linter, partitions=16)
        return examine_application(replace(context, **changes), application, SERIAL, moment)

    def issued(
        self, profiles: Profiles, application: ApplicationAccepted, keys: Mapping[str, SigningKey]
    ) -> CertificateIssued:
        """Return the event of the certificate, after the decisions that intend, sign and record it."""
        facts = self.examined(profiles, application)
        accepted = Event(UUID(int=2), application.key(), application, NOW, facts)
        decision = DECIDE(None, accepted, None, NOW)
        (intent,) = decision.intents
        order = intent.data
        assert isinstance(order, SigningOrder)
        context = IssuingContext(self.authority, profiles, "http://crl.example.fi", self.linter, partitions=16)
        assert isinstance(decision.state, Intended)
        signed = Signed.by(check_order(context, order, decision.state, application, NOW), keys[order.issuer])
        result = Result(UUID(int=3), application.key(), intent.kind, signed)
        (issued,) = DECIDE(decision.state, result, None, NOW).events
        assert isinstance(issued, CertificateIssued)
        return issued


def mails(data: CaseChanged | CertificateIssued) -> list[Letter]:
    """Return the mails that an event causes."""
    decision = notify(None, Event(UUID(int=4), data.key(), data, NOW), NOTHING_PREPARED, NOW)
    head = Letterhead(sender="ca@example.fi", name="Authority", contact="help@example.fi")
    return [write(intent.data, head) for intent in decision.intents if isinstance(intent.data, MailTask)]
