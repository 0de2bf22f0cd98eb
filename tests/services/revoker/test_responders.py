"""What is ordered for a responder's certificate, as the audit chain tells it."""

from datetime import UTC, datetime
from hashlib import sha256

from servicecert_revoker.domain.responders import CertifyOrder
from servicecert_schemas.responder import ResponderEnvironment


def test_B6_the_audit_tells_the_bytes_to_be_signed_by_their_digest():
    order = CertifyOrder(
        environment=ResponderEnvironment.TEST,
        key_sha256="00" * 32,
        issuer="test-ec",
        serial="4a",
        not_after=datetime(2026, 12, 1, tzinfo=UTC),
        tbs=b"to be signed",
    )
    audited = {name: getattr(order, name) for name in CertifyOrder.AUDITED}
    assert audited == {"issuer": "test-ec", "serial": "4a", "tbs_sha256": sha256(b"to be signed").hexdigest()}
