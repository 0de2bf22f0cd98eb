"""A record with its writer's signature, kept so that an act can verify it again (F3). Pure."""

from dataclasses import dataclass

from pydantic import TypeAdapter
from servicecert_schemas.codec import Headers
from servicecert_schemas.headers import SIGNATURE

_PARTS: TypeAdapter[tuple[list[tuple[str, bytes]], bytes]] = TypeAdapter(tuple[list[tuple[str, bytes]], bytes])


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """The signed headers, the signature and the value, as they were read. `text` is JSON."""

    text: str

    @classmethod
    def of(cls, headers: Headers, value: bytes | None) -> "SignedRecord":
        """Return what is kept of a record."""
        signed = [(name, raw or b"") for name, raw in headers if name.startswith("ce_") or name == SIGNATURE]
        return cls(_PARTS.dump_json((signed, value or b"")).decode())

    def parts(self) -> tuple[Headers, bytes]:
        """Return headers and value; nothing of a text that `of` has not made."""
        try:
            return _PARTS.validate_json(self.text)
        except ValueError:
            return [], b""
