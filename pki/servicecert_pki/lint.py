"""The check of a certificate before it is signed (B3): a second encoder for each one, and pkilint for each one or for each shape.

docs/lint.md says what is guaranteed in each setting.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from . import der
from .certificate import Contents, sign_tbs
from .keys import SigningKey
from .pkix_lint import Finding, Severity, lint_certificate
from .second_encoder import SecondEncoder
from .shape import Shape, shape_of
from .software_key import SoftwareKey
from .spki import KeyFamily

# Shapes are few where certificates are ordinary; the oldest is forgotten, and then linted again when it comes back.
_REMEMBERED = 4096

_FIELDS = ("version", "serial", "signature", "issuer", "validity", "subject", "key", "extensions")


class LintSetting(StrEnum):
    """Which certificates pkilint sees: each one, or the first of each shape in a process."""

    EVERY = "every"
    SHAPE = "shape"


@dataclass(frozen=True)
class Linter:
    """Checks what is to be signed. `throw_away` signs its look-alike: keys that certify nothing, made when a process starts."""

    setting: LintSetting
    throw_away: dict[KeyFamily, SigningKey] = field(repr=False)
    _encoder: SecondEncoder = field(default_factory=SecondEncoder, repr=False)
    _shapes: dict[Shape, tuple[Finding, ...]] = field(default_factory=dict, repr=False)
    _warned: Counter[str] = field(default_factory=Counter, repr=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def with_new_keys(cls, setting: LintSetting) -> "Linter":
        """Draw the throw-away keys."""
        return cls(setting, throw_away_keys())

    def __call__(self, contents: Contents, tbs: bytes) -> Sequence[str]:
        """Return the codes of the findings of error level or worse; what has any must not be signed."""
        found = self.findings(contents, tbs)
        if warned := {it.code for it in found if it.severity is Severity.WARNING}:
            with self._counting:
                self._warned.update(warned)
        return [it.code for it in found if it.severity <= Severity.ERROR]

    async def warnings(self) -> Mapping[str, float]:
        """How many certificates each warning was about, by its code: a warning stops nothing."""
        with self._counting:
            return dict(self._warned)

    def findings(self, contents: Contents, tbs: bytes) -> tuple[Finding, ...]:
        """Return the findings of warning level or worse about `tbs`, which is to say `contents`. They quote no value of it."""
        differing = self._compare(contents, tbs)
        if differing is not None:
            return (differing,)
        if self.setting is LintSetting.EVERY:
            return self._lint(contents, tbs)
        shape = shape_of(contents)
        found = self._shapes.get(shape)
        if found is None:
            found = self._lint(contents, tbs)
            self._remember(shape, found)
        return found

    def _compare(self, contents: Contents, tbs: bytes) -> Finding | None:
        try:
            expected = self._encoder.encode(contents)
        except (ValueError, TypeError) as fault:
            return Finding(Severity.FATAL, "second-encoder.refuses", type(fault).__name__)
        if expected == tbs:
            return None
        return Finding(Severity.FATAL, "second-encoder.differs", _first_difference(tbs, expected))

    def _lint(self, contents: Contents, tbs: bytes) -> tuple[Finding, ...]:
        return lint_certificate(sign_tbs(tbs, self.throw_away[contents.issuer.family]))

    def _remember(self, shape: Shape, found: tuple[Finding, ...]) -> None:
        """What has an error is linted anew each time: it is rare, and its cause may have been in its values."""
        if any(it.severity <= Severity.ERROR for it in found):
            return
        if len(self._shapes) >= _REMEMBERED:
            self._shapes.pop(next(iter(self._shapes)), None)
        self._shapes[shape] = found


def throw_away_keys() -> dict[KeyFamily, SigningKey]:
    """Draw a key of each family. An RSA one of 2048 bits is drawn faster than a CA's, and its algorithm is the same."""
    keys = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1()))
    return {(key := SoftwareKey(each)).family: key for each in keys}


def _first_difference(tbs: bytes, expected: bytes) -> str:
    """The field in which the two encodings differ first."""
    for name, one, other in zip(_FIELDS, _parts(tbs), _parts(expected), strict=False):
        if one != other:
            return name
    return "length"


def _parts(tbs: bytes) -> list[bytes]:
    try:
        return [tbs[it.start : it.end] for it in der.members(tbs, der.read(tbs))]
    except ValueError:
        return []
