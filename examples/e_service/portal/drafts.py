"""An application as a browser sends it: the form, the conformity certificate and the request; or what is wrong."""

import asyncio
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from servicecert_schemas import Application, Attachment, AttachmentKind
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from . import attachments
from .access import Membership
from .forms import Fault, Kind, form_of
from .pages import language_of, portal_of, text

MOST_CSR_CHARACTERS = 65_536
"""The contract's limit. What is longer than a request may be, and shorter than this, the authority answers."""


@dataclass(frozen=True)
class Draft:
    """What was sent. With faults there is no application, and nothing is stored but the file."""

    application: Application | None
    csr: str | None
    typed: dict[str, list[str]]
    faults: list[Fault]


def typed_in(form: FormData) -> dict[str, list[str]]:
    """Return all texts of a form by their names, to judge them, and to show them again."""
    typed: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            typed.setdefault(name, []).append(value)
    return typed


async def read(
    request: Request, form: FormData, kind: Kind, member: Membership, stored: Iterable[Attachment] = ()
) -> Draft:
    """Read an application, or a supplement of one that has these attachments."""
    typed = typed_in(form)
    filled, faults = form_of(
        kind, typed, business_id=member.business_id, language=language_of(request), now=datetime.now(UTC)
    )
    csr, csr_faults = await csr_of(form)
    found: tuple[Attachment, ...] = ()
    if kind.needs_conformity:
        found, attachment_faults = await _conformity(request, form, member, next(iter(stored), None))
        faults = [*faults, *attachment_faults]
    faults = [*faults, *csr_faults]
    if filled is None or faults:
        return Draft(None, csr, typed, faults)
    return Draft(Application(**dict(filled), attachments=found), csr, typed, faults)


async def csr_of(form: FormData) -> tuple[str | None, list[Fault]]:
    """Return the request: of a file, or pasted. PEM stays as it is, DER becomes base64; nothing else is looked at."""
    content = await _file(form, "csr", MOST_CSR_CHARACTERS)
    if content is None:
        found = text(form, "csr_text")
    else:
        found = content.decode("ascii") if content.isascii() else b64encode(content).decode()
    if len(found) > MOST_CSR_CHARACTERS:
        return None, [Fault("csr" if content else "csr_text", "too-long")]
    return found or None, []


async def _conformity(
    request: Request, form: FormData, member: Membership, stored: Attachment | None
) -> tuple[tuple[Attachment, ...], list[Fault]]:
    """Return the conformity certificate, whose file may be that of before; or what is wrong with it."""
    portal = portal_of(request)
    content = await _file(form, "attachments", attachments.MOST_OCTETS)
    if content is None and stored is None:
        return (), [Fault("attachments", "missing")]
    if content is None:
        assert stored is not None
        about = stored.model_dump(include={"reference", "sha256", "size", "media_type"})
    else:
        media_type = attachments.media_type(content)
        if len(content) > attachments.MOST_OCTETS:
            return (), [Fault("attachments", "too-long")]
        if media_type is None:
            return (), [Fault("attachments", "file-type")]
        digest = await asyncio.to_thread(attachments.store, portal.settings.folder, content)
        async with portal.database.transaction() as tx:
            await tx.execute(
                "INSERT OR IGNORE INTO files (sha256, account_id, media_type) VALUES (?, ?, ?)",
                (digest, member.account_id, media_type),
            )
        about = {
            "reference": f"{portal.settings.base_url}/attachments/{digest}",
            "sha256": digest,
            "size": len(content),
            "media_type": media_type,
        }
    names = ("certificate_number", "valid_from", "valid_to")
    typed = {name: text(form, name) for name in names}
    if missing := [Fault(name, "missing") for name, value in typed.items() if not value]:
        return (), missing
    system_id = text(form, "information_system.system_id")
    try:
        about |= {"kind": AttachmentKind.CONFORMITY_CERTIFICATE, "system_id": system_id}
        return (Attachment.model_validate(about | typed),), []
    except ValidationError as error:
        places = {str(fault["loc"][0]) for fault in error.errors(include_url=False, include_input=False)}
        return (), [Fault(name, "malformed") for name in names if name in places]


async def _file(form: FormData, name: str, most: int) -> bytes | None:
    """Return the content of a file, one octet longer than the limit if it is too long; None if none was chosen."""
    file = form.get(name)
    return await file.read(most + 1) if isinstance(file, UploadFile) and file.filename else None
