"""Who issues: what an authority's CAs are called, and its policies, by a file in the folders of its CA and its roots.

A folder without the file is a trial's: its authority is fictitious and says so.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from . import der

FILE = "authority.toml"


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


class Identity(BaseModel):
    """The names of all CAs (RFC 5280, 4.1.2.4), and the policy of each certificate type (4.2.1.4) by its identifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organisation: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    country: str = Field("FI", pattern=r"^[A-Z]{2}$")
    policies: Mapping[str, Annotated[str, AfterValidator(_policy)]]


FICTITIOUS = Identity(organisation="Fictitious Certificate Authority", policies={})


def identity_in(folder: Path) -> Identity:
    """Return the authority of a folder, `FICTITIOUS` without the file. Raises IdentityUnusable."""
    file = folder / FILE
    try:
        return Identity.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return FICTITIOUS
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise IdentityUnusable(f"{file} cannot be used: {where}: {first['msg']}.") from None
    except (OSError, ValueError) as fault:
        raise IdentityUnusable(f"{file} cannot be used: {fault}.") from None
