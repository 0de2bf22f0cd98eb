"""What the canary notices in its certificate, in a CRL and in an OCSP answer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from cli.watching.canary.stand import (
    BUSINESS_ID,
    CRL_URL,
    DAY,
    DNS,
    NOW,
    OCSP_URL,
    PROFILES,
    SECOND,
    SERIAL,
    UNIT,
    WANTED,
    Issuance,
    shown,
)
from crls import build_crl
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPCertStatus
from servicecert_cli.watching.canary.domain.certificate import Certified, answered, listed
from servicecert_cli.watching.canary.domain.stages import NotYet, Stuck
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.ocsp_client import OcspQuery
from servicecert_pki.profile import Usage
from servicecert_pki.spki import spki_of
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, answering

OTHER_KEY = spki_of(ec.generate_private_key(ec.SECP384R1()).public_key())
HOUR = timedelta(hours=1)
GOOD_STATUS, REVOKED_STATUS = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED


def test_a_right_certificate_names_its_ca_and_the_addresses_of_crl_and_ocsp(issuance: Issuance) -> None:
    found = issuance.verified(issuance.issued())
    assert (found.issuer.id, found.serial, found.crl_url, found.ocsp_url) == ("test-ec", SERIAL, CRL_URL, OCSP_URL)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ({"spki": OTHER_KEY}, "another key than the request"),
        ({"dns": (DNS, "other.example.fi")}, "other names"),
        ({"dns": ("other.example.fi",), "subject": (UNIT, BUSINESS_ID, "other.example.fi")}, "another subject"),
        ({"subject": ("Onnelan VI apteekki", BUSINESS_ID, DNS)}, "another subject"),
        ({"subject": (UNIT, "9900058-7", DNS)}, "another subject"),
        ({"usages": frozenset({Usage.CLIENT_AUTH})}, "other usages"),
        ({"not_before": NOW + DAY / 2}, "not valid now"),
        ({"not_before": NOW - DAY, "not_after": NOW - SECOND}, "not valid now"),
        ({"not_after": NOW + DAY + SECOND}, "valid for too long"),
        ({"ocsp_url": None}, "names no OCSP responder"),
        ({"issuer": "production-ec", "type": "server"}, "production-ec is not that of the profile"),
        (
            {"type": "test-system-signature", "dns": (), "usages": frozenset()},
            "has no extension 2.5.29.17",
        ),
    ],
)
def test_what_was_not_applied_for_is_noticed(issuance: Issuance, contents, sentence) -> None:
    with pytest.raises(Stuck, match=sentence):
        issuance.verified(issuance.issued(**contents))


def test_another_policy_is_noticed(issuance: Issuance) -> None:
    other = issuance.issued(profile=replace(PROFILES["test-server"], policy="1.3.6.1.4.1.32473.9"))
    with pytest.raises(Stuck, match="policy that is none of its CA's"):
        issuance.verified(other)


def test_a_ca_that_is_not_trusted_from_outside_kafka_is_noticed(issuance: Issuance) -> None:
    others = {**issuance.trusted, "test-ec": issuance.trusted["test-rsa"]}
    for trusted in ({}, others):
        with pytest.raises(Stuck, match="the CA test-ec is none of SERVICECERT_CANARY_CA_CERTIFICATES"):
            issuance.verified(issuance.issued(), trusted=trusted)


def test_a_chain_that_did_not_sign_it_is_noticed(issuance: Issuance) -> None:
    issued, other = issuance.issued(), issuance.authority.issuer("test-rsa")
    chain = tuple(b64encode(each).decode() for each in (other.certificate_der, other.root_der))
    for wrong in (chain, ()):
        with pytest.raises(Stuck, match="the certificate of the event is wrong"):
            issuance.verified(issued.model_copy(update={"chain": wrong}))


def test_an_event_or_a_view_that_says_otherwise_is_noticed(issuance: Issuance) -> None:
    issued = issuance.issued()
    with pytest.raises(Stuck, match="other values than its certificate"):
        issuance.verified(issued.model_copy(update={"not_after": NOW}))
    for name, value in (("serial", "0b"), ("fingerprint", "0" * 64)):
        with pytest.raises(Stuck, match="shows another certificate"):
            issuance.verified(issued, shown=shown(issued).model_copy(update={name: value}))


def test_clocks_may_differ_by_a_minute(issuance: Issuance) -> None:
    issued = issuance.issued()
    assert issuance.verified(issued, now=NOW - 60 * SECOND, wanted=WANTED).serial == SERIAL
    with pytest.raises(Stuck, match="not valid now"):
        issuance.verified(issued, now=NOW - 61 * SECOND)


@pytest.fixture(scope="module")
def certified(issuance: Issuance) -> Certified:
    return issuance.verified(issuance.issued())


@pytest.fixture
def crl(issuance: Issuance):
    """Return a CRL of test-ec, or of another CA, that lists these serial numbers."""

    def crl(*serials, url=CRL_URL, since=NOW - HOUR, until=NOW + HOUR, issuer="test-ec", signer=None):
        entries = [entry_der(each, NOW - HOUR, Reason.CESSATION_OF_OPERATION) for each in serials]
        ca = issuance.authority.issuer(issuer)
        return build_crl(issuance.keys[signer or issuer], ca, since, until, entries, 7, url)

    return crl


@pytest.mark.parametrize("url", [CRL_URL, None])
def test_D7_a_crl_lists_a_certificate_or_does_not(crl, certified: Certified, url) -> None:
    listed(crl(SERIAL + 1, url=url), certified, NOW, wanted=False)
    listed(crl(SERIAL, SERIAL + 1, url=url), certified, NOW, wanted=True)
    with pytest.raises(NotYet, match="lists the certificate, which is not revoked"):
        listed(crl(SERIAL, url=url), certified, NOW, wanted=False)
    with pytest.raises(NotYet, match="does not list the revoked certificate"):
        listed(crl(url=url), certified, NOW, wanted=True)


def test_D7_a_crl_that_no_relying_party_would_use_is_noticed(crl, certified: Certified, issuance: Issuance) -> None:
    other = issuance.authority.issuer("test-rsa")
    foreign = build_crl(issuance.keys["test-rsa"], other, NOW - HOUR, NOW + HOUR, [], 7, CRL_URL)
    for content, sentence in (
        (b"<html>", "cannot be used: it is no CRL"),
        (foreign, "not signed by test-ec"),
        (crl()[:-1] + b"\0", "not signed by test-ec"),
        (crl(url="http://crl.example.fi/test-ec.6.crl"), "that of another address"),
        (crl(until=NOW), "outdated"),
        (crl(since=NOW + HOUR / 2), "outdated"),
    ):
        for wanted in (False, True):
            with pytest.raises(NotYet, match=sentence):
                listed(content, certified, NOW, wanted=wanted)


def test_D8_an_answer_says_what_is_wanted_or_what_else(issuance: Issuance, certified: Certified) -> None:
    responder = answering(issuance.authority, issuance.keys, NOW)

    def ask(serial: int, wanted: OCSPCertStatus) -> None:
        query = OcspQuery(certified.issuer, serial, bytes(32))
        answered(query, responder.answer(query.request(), NOW, "192.0.2.1").body, wanted, NOW)

    ask(GOOD, GOOD_STATUS)
    ask(REVOKED, REVOKED_STATUS)
    for serial, wanted, sentence in (
        (GOOD, REVOKED_STATUS, "OCSP says good and not revoked"),
        (REVOKED, GOOD_STATUS, "OCSP says revoked and not good"),
        (NEVER_ISSUED, GOOD_STATUS, "OCSP says unknown and not good"),
    ):
        with pytest.raises(NotYet, match=sentence):
            ask(serial, wanted)


def test_D8_an_answer_that_no_relying_party_would_accept_is_noticed(certified: Certified) -> None:
    with pytest.raises(NotYet, match=r"OCSP: The answer is no OCSP response\.|OCSP: The answer is no OCSP response"):
        answered(OcspQuery(certified.issuer, GOOD, bytes(32)), b"<html>", GOOD_STATUS, NOW)
