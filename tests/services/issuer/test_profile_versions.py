"""An application that intake accepted by one version of a profile, and that the issuer examines by another."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from cryptography import x509
from servicecert_issuer.domain.act import check_order
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Intended, Linted, Signed, SigningOrder, Stopped
from servicecert_issuer.domain.recheck import StoredCertificate, recheck
from servicecert_issuer.domain.unissuable import Unissuable
from servicecert_pki.keys import SigningKey
from servicecert_pki.profile import Attribute, LongestValidity, Profile
from servicecert_pki.profiles import Profiles
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, IssuingRefused, IssuingStopped
from servicecert_schemas.values import Usage
from servicecert_worker.core.decider import Event
from services.issuer.conftest import NOW, SIGN_BY

Accepted = Callable[..., ApplicationAccepted]
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001
DECIDE = Decide(SIGN_BY - NOW)


def second_version(profile: Profile) -> Profile:
    """A stricter profile: organisations have 10 characters, certificates a year."""
    subject = tuple(
        replace(each, longest=10) if each.attribute is Attribute.ORGANISATION else each for each in profile.subject
    )
    return replace(profile, version=3, subject=subject, longest_validity=(LongestValidity(1),))


@pytest.fixture
def stricter(context: IssuingContext) -> IssuingContext:
    return replace(context, profiles=Profiles({"server": second_version(context.profiles["server"])}))


def test_B1_what_another_version_of_the_profile_granted_is_stopped_and_not_refused(
    stricter: IssuingContext, accepted: Accepted
) -> None:
    found = examine_application(stricter, accepted(profile_version=2), SERIAL, NOW)
    assert found == Stopped(accepted(profile_version=2), "production-ec", ("profile.text-too-long",))
    short = accepted().subject.model_copy(update={"organisation": "Short Oy"})
    too_long = accepted(subject=short, validity_days=700, profile_version=2)
    assert examine_application(stricter, too_long, SERIAL, NOW) == Stopped(
        too_long, "production-ec", ("profile.validity",)
    )
    fits = accepted(subject=short, validity_days=365, profile_version=2)
    assert isinstance(examine_application(stricter, fits, SERIAL, NOW), Linted)


@pytest.mark.parametrize("version", [3, None])
def test_what_the_same_version_cannot_issue_is_refused(
    stricter: IssuingContext, accepted: Accepted, version: int | None
) -> None:
    """Intake would have returned it. Events without a version are older than the field."""
    found = examine_application(stricter, accepted(profile_version=version), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "text-too-long"


def test_a_request_without_a_usable_key_is_refused_by_any_version(stricter: IssuingContext, accepted: Accepted) -> None:
    found = examine_application(stricter, accepted(key="ed25519", profile_version=2), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "key"


def test_a_stopped_application_continues_with_a_profile_that_allows_it_or_ends_by_its_withdrawal(
    context: IssuingContext, stricter: IssuingContext, accepted: Accepted, event: Callable[..., Event]
) -> None:
    application = accepted(profile_version=2)
    facts = examine_application(stricter, application, SERIAL, NOW)
    decision = DECIDE(None, event(application, facts), None, NOW)
    (told,) = decision.events
    assert isinstance(told, IssuingStopped)
    assert isinstance(examine_application(context, application, SERIAL, NOW), Linted)
    (refused,) = DECIDE(decision.state, event(AcceptedWithdrawn(case_id=application.case_id)), None, NOW).events
    assert isinstance(refused, IssuingRefused)
    assert refused.code == "withdrawn"


def test_B1_B2_what_an_earlier_version_intended_is_signed_as_it_was_stored(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    """Version 1 gave keyEncipherment to RSA keys of clients, too."""
    application = accepted(key="rsa", usages=(Usage.CLIENT_AUTH,), profile_version=1)
    before = replace(context, profiles=Profiles({"server": context.profiles.earlier["server", 1]}))
    certified = []
    for intending in (before, context):
        draft = examine_application(intending, application, SERIAL, NOW)
        assert isinstance(draft, Linted)
        intended = Intended.of(draft, application, SIGN_BY)
        checked = check_order(context, SigningOrder.of(intended), intended, application, NOW)
        signed = Signed.by(checked, ca_keys[checked.issuer.id]).certificate
        it = intended.linted
        moments = (it.not_before.replace(microsecond=0), it.not_after.replace(microsecond=0))
        stored = StoredCertificate("a", it.issuer, int(it.serial, 16), *moments, it.key_sha256, it.tbs, signed)
        assert recheck(stored, checked.issuer) == ()
        certified.append(x509.load_der_x509_certificate(signed).extensions.get_extension_for_class(x509.KeyUsage))
    assert [it.value.key_encipherment for it in certified] == [True, False]
