"""Certificate profiles: what each certificate type may hold, read from one TOML file per type.

ProfileUnsafe       a profile that would break a rule; raised when profiles are loaded
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from servicecert_pki import der
from servicecert_pki.spki import KeyFamily

SHIPPED_PROFILES = Path(__file__).parent / "profiles"

# The longest validity that any certificate of this service may have (B1).
_MOST_YEARS = 2

_FIELDS = {
    "type",
    "version",
    "environment",
    "policy",
    "longest_validity",
    "dns_names",
    "extended_key_usage",
    "key_usage",
}


class ProfileUnsafe(ValueError):
    """The profiles cannot be used; the message is one sentence that names the profile and the field."""


class Environment(StrEnum):
    """Production and test never share a CA key, a CRL or a policy identifier (I11)."""

    PRODUCTION = "production"
    TEST = "test"


class KeyUsage(StrEnum):
    """The bits of RFC 5280, 4.2.1.3 that a service certificate may have."""

    DIGITAL_SIGNATURE = "digital-signature"
    NON_REPUDIATION = "non-repudiation"
    KEY_ENCIPHERMENT = "key-encipherment"


class Usage(StrEnum):
    """The extended key usages of RFC 5280, 4.2.1.12 that an applicant may choose."""

    SERVER_AUTH = "server-auth"
    CLIENT_AUTH = "client-auth"


@dataclass(frozen=True)
class LongestValidity:
    """A limit in whole years for certificates that start on `since` or later."""

    years: int
    since: date = date.min


@dataclass(frozen=True)
class Profile:
    """What one certificate type may hold; `usages` is empty where the type has no extended key usage."""

    type_id: str
    version: int
    environment: Environment
    policy: str
    longest_validity: tuple[LongestValidity, ...]
    dns_names: bool
    usages: frozenset[Usage]
    key_usage: Mapping[KeyFamily, frozenset[KeyUsage]]

    def years_on(self, day: date) -> int:
        """Return the longest validity in years of a certificate that starts on `day`."""
        return max((limit for limit in self.longest_validity if limit.since <= day), key=lambda it: it.since).years


@dataclass(frozen=True)
class Profiles:
    """All profiles, safe beside each other."""

    by_type: Mapping[str, Profile]

    def __getitem__(self, type_id: str) -> Profile:
        """Return the profile of a certificate type; an unknown one raises KeyError."""
        return self.by_type[type_id]

    def policies(self, environment: Environment) -> tuple[str, ...]:
        """Return the policy identifiers of one environment, in a stable order."""
        return tuple(sorted({each.policy for each in self.by_type.values() if each.environment is environment}))


def load_profiles(directory: Path = SHIPPED_PROFILES) -> Profiles:
    """Read every ``*.toml`` in `directory`; raises ProfileUnsafe."""
    files = sorted(directory.glob("*.toml"))
    if not files:
        raise ProfileUnsafe(f"There is no certificate profile in {directory}.")
    try:
        texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    except (OSError, UnicodeDecodeError) as fault:
        raise ProfileUnsafe(f"The certificate profiles in {directory} cannot be read ({fault}).") from None
    profiles = [read_profile(text, name) for name, text in texts.items()]
    check_together(profiles)
    return Profiles({profile.type_id: profile for profile in profiles})


def read_profile(text: str, name: str) -> Profile:
    """Read one profile from TOML; `name` stands in the sentence of ProfileUnsafe."""
    try:
        table = tomllib.loads(text)
        if table.keys() != _FIELDS:
            raise ValueError(f"these fields are missing or unknown: {', '.join(sorted(table.keys() ^ _FIELDS))}")
        profile = _profile(table)
        _check_alone(profile)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise ProfileUnsafe(f"The certificate profile {name} cannot be used: {fault}.") from None
    return profile


def check_together(profiles: Iterable[Profile]) -> None:
    """Raise ProfileUnsafe where two profiles have the same type or policy (I11)."""
    seen: dict[str, Profile] = {}
    for profile in profiles:
        for shared in (profile.type_id, profile.policy):
            other = seen.setdefault(shared, profile)
            if other is not profile:
                raise ProfileUnsafe(
                    f"The profiles of {other.type_id} ({other.environment}) and {profile.type_id} "
                    f"({profile.environment}) share {shared}; give each its own."
                )


def _profile(table: dict[str, Any]) -> Profile:
    return Profile(
        type_id=table["type"],
        version=table["version"],
        environment=Environment(table["environment"]),
        policy=table["policy"],
        longest_validity=tuple(
            LongestValidity(limit["years"], limit.get("from", date.min)) for limit in table["longest_validity"]
        ),
        dns_names=table["dns_names"],
        usages=frozenset(Usage(usage) for usage in table["extended_key_usage"]),
        key_usage={
            KeyFamily(family): frozenset(KeyUsage(usage) for usage in usages)
            for family, usages in table["key_usage"].items()
        },
    )


def _check_alone(profile: Profile) -> None:
    der.oid(profile.policy)
    if not profile.type_id:
        raise ValueError("type is empty")
    if type(profile.version) is not int or profile.version < 1:
        raise ValueError("version is not a whole number from 1")
    if type(profile.dns_names) is not bool:
        raise ValueError("dns_names is neither true nor false")
    if profile.dns_names != bool(profile.usages):
        raise ValueError("extended_key_usage belongs to a type with dns_names, and only to such a type")
    if not any(limit.since == date.min for limit in profile.longest_validity):
        raise ValueError("longest_validity has no entry without a from day")
    if not all(type(limit.years) is int and 1 <= limit.years <= _MOST_YEARS for limit in profile.longest_validity):
        raise ValueError(f"longest_validity must be 1 to {_MOST_YEARS} years")
    if profile.key_usage.keys() != set(KeyFamily) or not all(profile.key_usage.values()):
        raise ValueError("key_usage must say what rsa and ec keys are for")
    if KeyUsage.KEY_ENCIPHERMENT in profile.key_usage[KeyFamily.EC]:
        raise ValueError("key_usage lets an ec key encipher keys, which it cannot do")
