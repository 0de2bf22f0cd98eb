"""The announcement of an intent, which makes the intent again together with its application. Pure."""

from base64 import b64encode
from uuid import UUID

from servicecert_schemas.certificate import CertificateIntended

from .issuance import Intended, SigningOrder, State


def announcement(key: str, order: SigningOrder, intended: State | None) -> CertificateIntended | None:
    """Return what is announced of an order; None where the table intends nothing, or other bytes: it is not signed."""
    if not isinstance(intended, Intended) or not order.is_of(intended):
        return None
    allocated = intended.allocated
    return CertificateIntended(
        case_id=UUID(key),
        issuer=allocated.issuer,
        serial=allocated.serial_hex,
        tbs=b64encode(allocated.tbs).decode(),
        profile=allocated.profile,
        profile_version=allocated.profile_version,
        partition=allocated.partition,
        key_sha256=allocated.key_sha256,
        business_id=allocated.business_id,
        not_before=allocated.not_before,
        not_after=allocated.not_after,
        sign_by=intended.sign_by,
        application_sha256=intended.application_sha256,
    )
