"""What the canary notices in a CRL and in an OCSP answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cli.watching.canary.stand import CRL_URL, NOW, SERIAL, Issuance
from crls import build_crl
from cryptography.x509.ocsp import OCSPCertStatus
from servicecert_cli.watching.canary.domain.certificate import Certified
from servicecert_cli.watching.canary.domain.stages import NotYet
from servicecert_cli.watching.canary.domain.status import answered, listed
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.ocsp_client import OcspQuery
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, answering

HOUR = timedelta(hours=1)
GOOD_STATUS, REVOKED_STATUS = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED


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
