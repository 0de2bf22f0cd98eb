"""What the templates name, in words: a task's content as one language writes it. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from ...domain.task import (
    AddressRefusedContent,
    Content,
    ExpiringContent,
    InvitedContent,
    IssuedContent,
    LapsedContent,
    NearsLapseContent,
    RefusedContent,
    ReturnedContent,
    RevokedContent,
)
from .message import one_line
from .names import common_name, file_stem, fingerprint_of, shown_subject
from .wording import Wording

Filling = dict[str, object]


def filling(content: Content, wording: Wording, date: datetime) -> Filling:
    """The values that a template of this content may name, in a mail of that date."""
    match content:
        case IssuedContent():
            return _certificate(content) | _typed(content, wording) | _issued(content, wording, date)
        case RevokedContent():
            return _certificate(content) | _revoked(content, wording)
        case ExpiringContent():
            return _certificate(content) | _typed(content, wording) | _expiring(content, wording)
        case InvitedContent():
            return _typed(content, wording) | {
                "name": one_line(content.applied_for),
                "unit": one_line(content.unit),
                "dns": ", ".join(_lines(content.dns)),
                "lapses": wording.day_of(content.lapses) if content.lapses else None,
            }
        case ReturnedContent():
            return _applied(content, wording) | {
                "deficiencies": _lines(content.deficiencies),
                "lapses": wording.day_of(content.lapses) if content.lapses else None,
            }
        case NearsLapseContent():
            return _applied(content, wording) | {
                "waits_for_csr": content.waits_for_csr,
                "lacking": _lines(content.lacking),
                "since": wording.day_of(content.since),
                "lapses": wording.day_of(content.lapses),
            }
        case LapsedContent():
            return _applied(content, wording) | {"since": wording.day_of(content.since)}
        case RefusedContent():
            return _applied(content, wording) | {"reasons": _lines(content.reasons)}
        case AddressRefusedContent():
            return {
                "refused": wording.recipients[content.refused],
                "told": wording.told[content.told],
                "name": common_name(content.subject) if content.subject else None,
                "serial": content.serial,
            }
        case _:  # pragma: no cover
            assert_never(content)


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(one_line, texts))


def _applied(
    content: ReturnedContent | NearsLapseContent | LapsedContent | RefusedContent, wording: Wording
) -> Filling:
    return {
        "type": wording.types[content.type],
        "name": one_line(content.applied_for),
        "reference": one_line(content.customer_reference or ""),
    }


def _certificate(content: IssuedContent | RevokedContent | ExpiringContent) -> Filling:
    name = common_name(content.subject)
    return {
        "name": name,
        "file": file_stem(name, content.serial),
        "subject": shown_subject(content.subject),
        "serial": content.serial,
        "serial_decimal": content.serial_decimal,
    }


def _typed(content: IssuedContent | ExpiringContent | InvitedContent, wording: Wording) -> Filling:
    return {
        "type": wording.types[content.type],
        "is_server": content.type.is_server,
        "is_test": content.type.is_test,
    }


def _issued(content: IssuedContent, wording: Wording, date: datetime) -> Filling:
    return {
        "starts_later": content.not_before > date,
        "not_before": wording.moment_of(content.not_before),
        "not_after": wording.moment_of(content.not_after),
        "fingerprint": fingerprint_of(content.fingerprint),
    }


def _expiring(content: ExpiringContent, wording: Wording) -> Filling:
    return {
        "not_after": wording.moment_of(content.not_after),
        "end_day": wording.day_of(content.not_after),
        "days_left": content.days_left,
    }


def _revoked(content: RevokedContent, wording: Wording) -> Filling:
    return {
        "reason": wording.reasons[content.reason],
        "key_exposed": content.reason == "key-exposed",
        "requested_at": wording.moment_of(content.requested_at),
        "revoked_at": wording.moment_of(content.revoked_at),
        "invalid_since": wording.moment_of(content.invalid_since) if content.invalid_since else None,
        "crl_number": str(content.crl_number),
        "crl_url": content.crl_url,
    }
