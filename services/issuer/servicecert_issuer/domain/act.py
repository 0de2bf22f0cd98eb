"""The check in the act that signs: the intent is made again from what intake has signed (F2, F3). Pure.

No row is believed: neither that of the intent, nor that of the case. What they hold is signed if it is what follows
from the application, or not at all.
"""

from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timedelta

from servicecert_pki.ca_signing import Checked, SettingsDiffer, SigningRefused, check_service_certificate
from servicecert_pki.names import CertificateRefused
from servicecert_pki.validity import ValidityRefused
from servicecert_schemas.certificate import ApplicationAccepted

from .examine import IssuingContext, contents_of, request_faults
from .issuance import Grant, Intended, Linted, SigningOrder

_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clock of the worker that intended may have been ahead."""


def check_order(
    context: IssuingContext, order: SigningOrder, recorded: Intended, application: ApplicationAccepted, now: datetime
) -> Checked:
    """Return what may be signed for an order: what follows from the application, byte by byte, and linted.

    `application` is verified to be intake's. Raise SigningRefused, SettingsDiffer or AuthorityMissing.
    """
    it = recorded.linted
    if not order.is_of(recorded):
        raise SigningRefused("other-bytes", "The bytes differ from the recorded intent.")
    profile = context.profiles.find(application.type, it.profile_version)
    if profile is None:
        raise SigningRefused("profile", f"There is no profile {application.type}.")
    if faults := request_faults(b64decode(application.csr)):
        raise SigningRefused("request", f"The certificate request is invalid: {', '.join(faults)}.")
    try:
        moment = min(it.not_before + profile.backdating, now + _CLOCKS_DIFFER)
        contents = contents_of(context, application, int(it.serial, 16), moment, it)
        checked = check_service_certificate(order.tbs, contents, context.lint)
    except OverflowError:
        raise SigningRefused("books", "The table has a start that is no time of a certificate.") from None
    except (SigningRefused, CertificateRefused, ValidityRefused) as refused:
        if it.profile_version != profile.version:
            raise SettingsDiffer(
                "profile-version",
                f"It was intended with version {it.profile_version} of the profile {profile.type_id}, "
                f"and this worker has version {profile.version}.",
            ) from refused
        if isinstance(refused, SigningRefused):
            raise
        text = f"No certificate of the profile {profile.type_id} follows from the application."
        raise SigningRefused("profile", text) from refused
    following = replace(
        recorded,
        linted=replace(Linted.of(contents, order.tbs), profile_version=it.profile_version),
        grant=Grant.of(application),
        application_sha256=application.application_sha256,
    )
    if following != recorded:
        raise SigningRefused("books", "The table has other values than follow from the application.")
    return checked
