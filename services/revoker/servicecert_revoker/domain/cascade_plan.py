"""What follows for the other certificates of a key that is compromised (D6): each is revoked, unless they are too many to be right. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested

CASCADE = "cascade"
"""The act of looking for a key's other certificates."""

REVOKER = "revoker"
"""Who asks for what follows from a key by itself."""

_REQUESTS = UUID("5d6f2b0a-8f44-4c0b-9a7e-2f1c3f1b7a10")


@dataclass(frozen=True, slots=True)
class Item:
    """A certificate that is to be revoked. `serial` is lower-case hexadecimal."""

    case_id: UUID
    account_id: str
    serial: str


class CascadeOrder(BaseModel):
    """The valid certificates of a key are wanted."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: str


class CascadeFound(BaseModel):
    """The valid certificates of a key; none where there are more than the maximum, and a person is to confirm them (`stopped`)."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256", "stopped")

    key_sha256: str
    others: tuple[Item, ...] = ()
    stopped: bool = False


def found(key_sha256: str, others: tuple[Item, ...], most: int) -> CascadeFound:
    """What comes of the search: beyond the maximum nothing is revoked until somebody has looked."""
    stopped = len(others) > most
    return CascadeFound(key_sha256=key_sha256, others=() if stopped else others, stopped=stopped)


def orders(cascade: CascadeFound, now: datetime) -> tuple[RevocationRequested, ...]:
    """The requests for the others. Their ids follow from key and case, so that one that is ordered again has one effect."""
    key = cascade.key_sha256
    return tuple(
        ordered(request_id(key, it.case_id), it, RevocationReason.KEY_EXPOSED, REVOKER, now) for it in cascade.others
    )


def request_id(key_sha256: str, case_id: UUID) -> UUID:
    """The id of the request that follows for a case from its key's compromise."""
    return uuid5(_REQUESTS, f"{key_sha256}/{case_id}")


def ordered(id: UUID, item: Item, reason: RevocationReason, by: str, now: datetime) -> RevocationRequested:
    """The authority's own request for a certificate: by its operators, or by the revoker itself."""
    actor = Actor(user_id=by, account_id=item.account_id, assurance=Assurance.HIGH, role=Role.OPERATOR)
    return RevocationRequested(
        case_id=item.case_id,
        actor=actor,
        request_id=id,
        serial_as_typed=item.serial,
        reason=reason,
        sent_at=now,
    )
