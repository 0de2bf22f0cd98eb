"""The authority, as its own file says: what its CAs are called, its policies, its addresses, and who signs its mails.

A CA's folder without the file is a trial's: its authority is fictitious and says so.
"""

import re
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo

from . import der
from .partitions import MOST_PARTITIONS, HttpUrl

FILE = "authority.toml"
FICTITIOUS_FILE = Path(__file__).parent / "fictitious.toml"
"""The authority of trials."""

_INVENTED = re.compile(
    r"Fictitious|Fiktiva|Kuvitteellinen|\.(example|test|invalid|localhost)\b|\bexample\.(fi|com|net|org)\b|"
    r"127\.0\.0\.1|^1\.3\.6\.1\.4\.1\.32473\."
)
T = TypeVar("T")


class IdentityUnusable(Exception):
    """The message is one sentence that names the file, the field and what is wrong. `exit_code` follows sysexits.h."""

    exit_code = 78


def _policy(dotted: str) -> str:
    try:
        der.oid(dotted)
    except ValueError:
        raise ValueError(f"{dotted} is no object identifier") from None
    if dotted.startswith("2."):
        # pkilint's decoder takes no second arc above 39.
        raise ValueError(f"{dotted} begins with 2, which the check before signing does not read: use an arc below 1")
    return dotted


_Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class Table(BaseModel):
    """A part of one of our files: frozen, without other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Names(Table):
    """What people call the authority, or read at the end of its mails, by language."""

    sv: _Line
    fi: _Line
    en: _Line


class Mail(Table):
    """The address that mails come from, whom people ask (an address, a number or both), and the authority's closing."""

    sender: Annotated[str, Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")]
    contact: _Line
    closing: Names | None = None


class Repository(Table):
    """The addresses in certificates: of the folder of CRLs and CAs, of OCSP, of the CPS (RFC 5280, 4.2.1.4)."""

    crls: HttpUrl
    ocsp: HttpUrl | None = None
    cps: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=200)] | None = None


def _outlives_one_failure(validity: int, others: ValidationInfo) -> int:
    """Refuse a CRL that could expire after one failed pass: relying parties would stop (D7)."""
    if validity < 2 * (interval := others.data.get("crl_interval_hours", 0)):
        raise ValueError(f"give at least {2 * interval}, twice crl_interval_hours, or lower that one")
    return validity


class Limits(Table):
    """What the authority lets happen by itself, and how long things last. docs/ceremony.md says what each is."""

    crl_partitions: int = Field(16, ge=1, le=MOST_PARTITIONS)
    crl_interval_hours: int = Field(24, ge=1, le=24 * 7)
    crl_validity_hours: Annotated[int, AfterValidator(_outlives_one_failure)] = Field(72, ge=2, le=24 * 30)
    sign_within_hours: int = Field(168, ge=1, le=24 * 90)
    cascade_most: int = Field(20, ge=0, le=1_000)
    responders_most: int = Field(200, ge=1, le=10_000)


class Identity(Table):
    """The names of all CAs (RFC 5280, 4.1.2.4), and the policy of each certificate type (4.2.1.4) by its identifier."""

    organisation: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    country: str = Field("FI", pattern=r"^[A-Z]{2}$")
    name: Names | None = None
    mail: Mail | None = None
    repository: Repository | None = None
    limits: Limits = Limits()
    policies: Mapping[str, Annotated[str, AfterValidator(_policy)]] = Field(default_factory=dict)

    def closing(self, language: str) -> str:
        """Return what the authority's mails end with in a language, empty for our words."""
        return str(getattr(self.mail.closing, language)) if self.mail and self.mail.closing else ""

    def called(self, language: str) -> str:
        """Return what people call the authority in a language: what its CAs do, if the file does not say."""
        return self.organisation if self.name is None else str(getattr(self.name, language))

    @property
    def digest(self) -> str:
        """The SHA-256 of what the file says, in hexadecimal, for the audit (B6)."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def invented(self) -> list[str]:
        """Return the fields that no authority has in earnest: a fictitious name, nobody's domain (RFC 2606) or arc."""
        tables = ((key, it if isinstance(it, dict) else {"": it}) for key, it in self.model_dump().items() if it)
        values = ((f"{key}.{name}".rstrip("."), str(value)) for key, table in tables for name, value in table.items())
        return [where for where, value in values if _INVENTED.search(value)]


_SAID = {
    "missing": "add it",
    "extra_forbidden": "there is no such field, correct its name or remove it",
    "greater_than_equal": "give at least {ge}",
    "less_than_equal": "give at most {le}",
    "string_pattern_mismatch": "it is not written as it has to be",
    "value_error": "{error}",
}


def faults(wrong: ValidationError) -> str:
    """Return what is wrong with a file of ours, field by field."""
    found = [(".".join(map(str, it["loc"])), it) for it in wrong.errors(include_url=False)]
    return "; ".join(f"{at}: {_SAID.get(it['type'], it['msg']).format(**it.get('ctx', {}))}" for at, it in found)


def read_identity(file: Path) -> Identity:
    """Return the authority of a file. Raises IdentityUnusable."""
    try:
        return Identity.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as wrong:
        raise IdentityUnusable(f"{file} cannot be used: {faults(wrong)}.") from None
    except (OSError, ValueError) as fault:
        raise IdentityUnusable(f"{file} cannot be used: {getattr(fault, 'strerror', None) or fault}.") from None


FICTITIOUS = read_identity(FICTITIOUS_FILE)


def identity_in(folder: Path, file: Path | None = None) -> Identity:
    """Return the authority of a CA's folder, `FICTITIOUS` without a file in it or given. Raises IdentityUnusable."""
    return read_identity(file or folder / FILE) if file or (folder / FILE).exists() else FICTITIOUS


def required(table: T | None, name: str, file: Path) -> T:
    """Return a table of an authority's file. Raises IdentityUnusable if the file lacks it."""
    if table is None:
        raise IdentityUnusable(f"{file} has no [{name}]: add it, as docs/ceremony.md#the-authoritys-file shows.")
    return table


def trial(crls: str, ocsp: str | None = None, partitions: int | None = None) -> str:
    """Return the file of a trial's authority, with its addresses."""
    responder = f'ocsp = "{ocsp}"\n' if ocsp else ""
    limits = f"\n[limits]\ncrl_partitions = {partitions}\n" if partitions else ""
    return f'{FICTITIOUS_FILE.read_text(encoding="utf-8")}\n[repository]\ncrls = "{crls}"\n{responder}{limits}'
