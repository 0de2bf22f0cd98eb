"""Checks that a certificate, its chain and its event belong together, before a mail brings it to people (F2). Pure.

The notifier holds no CA's certificate: the issuer has verified the CA's signature and signed the event (F3).
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace

from servicecert_pki.issued import CertificateUntrusted, read_with_chain
from servicecert_schemas.certificate import CertificateIssued
from servicecert_worker.core.decider import Event, Untrusted


def examine(events: Sequence[Event]) -> Sequence[Event]:
    """Add facts to each event whose certificate must not be mailed."""
    return [
        replace(event, facts=_fault(event.data)) if isinstance(event.data, CertificateIssued) else event
        for event in events
    ]


def _fault(issued: CertificateIssued) -> Untrusted | None:
    try:
        chain = [b64decode(each) for each in issued.chain]
        read = read_with_chain(b64decode(issued.certificate), chain, is_verified=True)
    except CertificateUntrusted as untrusted:
        return Untrusted(f"certificate-{untrusted.code}", str(untrusted))
    if differ := read.differences(issued):
        return Untrusted("certificate-differs", f"The event says another {', '.join(differ)} than its certificate.")
    return None
