"""What the canary notices in its certificate."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

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
from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_cli.watching.canary.domain.stages import Stuck
from servicecert_pki.profile import Usage
from servicecert_pki.spki import spki_of

OTHER_KEY = spki_of(ec.generate_private_key(ec.SECP384R1()).public_key())


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
    with pytest.raises(Stuck, match="another policy"):
        issuance.verified(issuance.issued(), profile=replace(PROFILES["test-server"], policy="1.3.6.1.4.1.32473.9"))


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
