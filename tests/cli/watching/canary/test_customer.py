"""How the canary ends a case that it left."""

from __future__ import annotations

import pytest
from cli.watching.canary.stand import NOW, Issuance, answer, shown, view
from servicecert_cli.watching.canary.customer import ending
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.revocation import RevocationRequested

ACCEPTED = ("submitted", "accepted")
REQUESTED = {"state": "requested", "reason": "no-longer-needed", "requested_at": NOW}


@pytest.mark.parametrize("states", [("submitted",), ("submitted", "returned"), ACCEPTED])
def test_a_case_without_a_certificate_is_withdrawn_once(states) -> None:
    case = view(*states)
    asked = ending(case)
    assert isinstance(asked, ApplicationWithdrawn)
    assert asked.case_id == case.case_id
    assert ending(view(*states, answer=answer("withdrawal-under-way"))) is None


def test_a_certificate_is_revoked_once(issuance: Issuance) -> None:
    certificate = shown(issuance.issued())
    for about in ({}, {"answer": answer("too-late-issued")}):
        asked = ending(view(*ACCEPTED, "issued", certificate=certificate, **about))
        assert isinstance(asked, RevocationRequested)
        assert asked.serial_as_typed == certificate.serial
    assert ending(view(*ACCEPTED, "issued", certificate=certificate, revocation=REQUESTED)) is None


@pytest.mark.parametrize("end", ["withdrawn", "refused", "lapsed"])
def test_a_case_that_has_ended_is_left_alone(end: str) -> None:
    assert ending(view("submitted", end)) is None
