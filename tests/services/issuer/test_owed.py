"""What a case owes to the topic of certificates is what was published about it, but for the texts' version."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.examine import IssuingContext
from servicecert_issuer.domain.issuance import Intended, Signed, State, Stopped, Unsigned
from servicecert_issuer.domain.owed import owed
from servicecert_issuer.domain.unissuable import unissuable
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.event import EventData
from servicecert_worker.core.decider import Event, Result

from services.issuer import harness

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
decide = Decide(timedelta(days=7))


def made_again(case_id: UUID, state: State | None, authority: Authority) -> list[EventData]:
    chains = {id: (issuer.certificate_der, issuer.root_der) for id, issuer in authority.issuers.items()}
    assert state is not None
    again = list(owed(case_id, state, NOW, chains))
    assert {each.at for each in again} <= {NOW}
    return [each.data for each in again]


@pytest.mark.parametrize("unsigned", [False, True], ids=["issued", "void"])
def test_B2_the_end_of_an_intent(
    intend: Callable[..., Intended],
    accepted: Callable[..., ApplicationAccepted],
    context: IssuingContext,
    ca_keys: Mapping[str, SigningKey],
    authority: Authority,
    unsigned: bool,
) -> None:
    intended, case_id = intend(), accepted().case_id
    assert made_again(case_id, intended, authority) == [], "it will end"
    signed: Signed = harness.signed(context, ca_keys, intended, accepted())
    result = Unsigned(code="deadline") if unsigned else signed
    decision = decide(intended, Result(uuid4(), str(case_id), "sign", result), None, NOW)
    assert len(decision.events) == 1 + unsigned
    assert made_again(case_id, decision.state, authority) == list(decision.events)


@pytest.mark.parametrize("facts", ["refused", "stopped", "stopped by the request"])
def test_B3_what_is_refused_or_stopped(
    accepted: Callable[..., ApplicationAccepted], event: Callable[..., Event], authority: Authority, facts: str
) -> None:
    application = accepted()
    findings = ("request.a",) if "request" in facts else ("pkix.a",)
    examined = unissuable("dns-name-form") if facts == "refused" else Stopped(application, "production-ec", findings)
    decision = decide(None, event(application, examined), None, NOW)
    assert decision.events
    assert made_again(application.case_id, decision.state, authority) == list(decision.events)


def test_I3_an_application_that_is_made_again_begins_nothing_anew(
    intend: Callable[..., Intended], accepted: Callable[..., ApplicationAccepted], event: Callable[..., Event]
) -> None:
    intended = intend()
    again = event(accepted(), intended.linted)
    assert decide(intended, again, None, NOW).intents == ()
