"""Clean typed text of what nobody sees, once, before any rule looks at it (A8).

Invisible characters are removed: zero-width and bidirectional controls, byte order marks, soft hyphens, variation
selectors and fillers. Every kind of blank becomes a space, and the ends are trimmed. Control characters stay, as do
blanks inside: people see the damage, and the rules answer it. Strict values, such as a hash, are not typed.
"""

from typing import TypeVar

from servicecert_pki.characters import without_invisible
from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.values import Value

V = TypeVar("V", bound=Value)


def cleaned_text(typed: str) -> str:
    """Return a typed text without what nobody sees. It is never longer."""
    return without_invisible(typed).strip()


def cleaned_form(form: Form) -> Form:
    """Return the form with every typed text cleaned, or the same object."""
    return _cleaned(form)


def cleaned_attachment(attachment: Attachment) -> Attachment:
    """Return the attachment with its typed texts cleaned, or the same object. Reference and hash are strict."""
    return _cleaned(attachment, strict=("reference", "sha256"))


def _cleaned(value: V, strict: tuple[str, ...] = ()) -> V:
    changed = {name: new for name, old in value if name not in strict and (new := _part(old)) is not old}
    return value.model_copy(update=changed) if changed else value


def _part(part: object) -> object:
    """Return a field's value cleaned, or the same object. Enumerations are no plain `str`."""
    if type(part) is str:
        return part if (text := cleaned_text(part)) == part else text
    if isinstance(part, Value):
        return _cleaned(part)
    if isinstance(part, tuple):
        parts = tuple(map(_part, part))
        return part if all(new is old for new, old in zip(parts, part, strict=True)) else parts
    return part
