"""F2: a certificate is mailed only if it, its chain and its event belong together."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.examine import examine
from servicecert_notifier.domain.reminders import NOTHING_PREPARED
from servicecert_notifier.operator.samples import NOW
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_worker.core.decider import Event, Unanswerable

AsEvent = Callable[..., Event]


def parked(event: Event) -> str:
    (examined,) = examine([event])
    with pytest.raises(Unanswerable) as raised:
        decide(None, examined, NOTHING_PREPARED, NOW)
    return raised.value.code


def test_f2_a_certificate_that_fits_is_mailed(
    issued: CertificateIssued, revoked: CertificateRevoked, as_event: AsEvent
) -> None:
    right, other = as_event(issued), as_event(revoked)
    assert list(examine([right, other])) == [right, other]
    assert decide(None, right, NOTHING_PREPARED, NOW).intents


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"serial": "4a"}, "certificate-differs"),
        ({"fingerprint": "0" * 64}, "certificate-differs"),
        ({"not_after": NOW + timedelta(days=9000)}, "certificate-differs"),
        ({"certificate": b64encode(b"none").decode()}, "certificate-unreadable"),
        ({"chain": (b64encode(b"none").decode(),)}, "certificate-unreadable"),
    ],
)
def test_f2_an_event_that_says_otherwise_than_its_certificate_is_parked(
    issued: CertificateIssued, as_event: AsEvent, change: dict[str, Any], code: str
) -> None:
    assert parked(as_event(issued.model_copy(update=change))) == code


def test_f2_a_certificate_with_another_chain_is_parked(issued: CertificateIssued, as_event: AsEvent) -> None:
    ca, root = issued.chain
    assert parked(as_event(issued.model_copy(update={"chain": (root,)}))) == "certificate-chain"
    assert parked(as_event(issued.model_copy(update={"chain": (ca,)}))) == "certificate-chain"
    assert parked(as_event(issued.model_copy(update={"chain": (root, ca)}))) == "certificate-chain"
    # Which key signed it the issuer has verified, whose signature the event has.
    der = bytearray(b64decode(issued.certificate))
    der[-1] ^= 1
    other = issued.model_copy(update={"certificate": b64encode(bytes(der)).decode()})
    assert parked(as_event(other)) == "certificate-differs"


def test_f2_a_certificate_without_a_chain_says_no_more_than_itself(
    issued: CertificateIssued, as_event: AsEvent
) -> None:
    assert parked(as_event(issued.model_copy(update={"chain": ()}))) == "certificate-chain"
