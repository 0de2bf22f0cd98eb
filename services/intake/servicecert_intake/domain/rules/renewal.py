"""Compare a renewal with the certificate that it follows: subject, names and key usage (A14)."""

from collections.abc import Iterator

from pydantic import BaseModel
from servicecert_pki.profile import KeyUsage
from servicecert_schemas.case import Difference, Renewal
from servicecert_schemas.certificate import Subject
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.texts import read_texts

from .application import Application, Earlier, Followed, Grant

_LONGEST = 1_000
"""How many characters of each value are shown; the differences of lists are shown whole."""


LOOK_UP = "look-up"
"""The kind of the intent that looks up the certificate which an application follows."""


class LookUp(BaseModel):
    """The account, and the serial number as typed."""

    account_id: str
    typed: str


class LookedUp(BaseModel):
    """The result of a lookup."""

    followed: Followed


NOTES = read_texts(
    "servicecert_intake.domain",
    "renewal",
    (
        *("key-reused", "type", *(f"subject.{field}" for field in Subject.model_fields)),
        *("names", "key_usage", "extended_key_usage"),
    ),
)
"""The notes on a reused key and on each field that differs."""


def renewal(application: Application, grant: Grant) -> Renewal | None:
    """Return the comparison that the applicant sees; None where the application follows no certificate."""
    earlier, csr = application.earlier, application.csr
    if earlier is None:
        return None
    shared = csr is not None and csr.key is not None and csr.key == earlier.key
    return Renewal(
        serial=earlier.serial,
        differences=tuple(_differences(application.form.type, grant, earlier)),
        key_reused=NOTES["key-reused"] if shared else None,
    )


def _differences(type: CertificateType, grant: Grant, earlier: Earlier) -> Iterator[Difference]:
    before, now = earlier.grant, grant
    subjects = ((f"subject.{field}", old, getattr(now.subject, field)) for field, old in before.subject)
    for field, old, new in (("type", earlier.type, type), *subjects):
        if old != new:
            yield Difference(field=field, before=old, now=new, texts=NOTES[field])
    yield from _difference("names", (*before.names.dns, *before.names.ip), (*now.names.dns, *now.names.ip))
    yield from _difference("extended_key_usage", before.usages, now.usages)
    if before.key_usage and now.key_usage:
        yield from _difference("key_usage", *map(_in_rfc_5280, (before.key_usage, now.key_usage)))


def _difference(field: str, before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[Difference]:
    """Yield the difference of two lists, in any order: both, shortened, and the removed and added values, whole."""
    removed, added = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    if removed or added:
        yield Difference(
            field=field,
            before=_listed(before),
            now=_listed(now),
            removed=tuple(removed),
            added=tuple(added),
            texts=NOTES[field],
        )


def _listed(values: tuple[str, ...]) -> str:
    text = ", ".join(sorted(values))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rpartition(', ')[0]}, …"


def _in_rfc_5280(usages: tuple[KeyUsage, ...]) -> tuple[str, ...]:
    """Return the bits' names in RFC 5280, 4.2.1.3, e.g. digitalSignature for digital-signature."""
    return tuple(first + "".join(map(str.capitalize, rest)) for first, *rest in (usage.split("-") for usage in usages))
