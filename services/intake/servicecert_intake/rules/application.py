"""What the rules judge."""

from dataclasses import dataclass

from servicecert_schemas.application import Attachment, Form


@dataclass(frozen=True, slots=True)
class JudgedCsr:
    """A certificate request after it was examined: its DER in base64 where it is accepted, else the codes of its faults (A4)."""

    der: str | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Application:
    """An application as it stands: the newest form and attachments, and the newest request, if one came."""

    form: Form
    attachments: tuple[Attachment, ...] = ()
    csr: JudgedCsr | None = None
