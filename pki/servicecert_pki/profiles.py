"""Certificate profiles, read from one TOML file for each certificate type."""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError

from .identity import FICTITIOUS, FILE, Identity, Table, faults
from .profile import Environment, ExtensionRule, KeyRules, KeyUsage, LongestValidity, Profile, SubjectAttribute, Usage
from .profile_safety import ProfileUnsafe, check_alone, check_together
from .spki import KeyFamily

SHIPPED_PROFILES = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Profiles:
    """All profiles, checked together; `earlier` has released versions by type and version, for what they intended."""

    by_type: Mapping[str, Profile]
    earlier: Mapping[tuple[str, int], Profile] = field(default_factory=dict)

    def __getitem__(self, type_id: str) -> Profile:
        """Return the profile of a certificate type; an unknown one raises KeyError."""
        return self.by_type[type_id]

    def find(self, type_id: str, version: int | None = None) -> Profile | None:
        """Return a type's profile, if any: an earlier version if that is asked for and kept, else the current one."""
        return self.earlier.get((type_id, version or 0), self.by_type.get(type_id))

    def policies(self, environment: Environment) -> tuple[str, ...]:
        """Return the policy identifiers of one environment, in a stable order."""
        return tuple(sorted({each.policy for each in self.by_type.values() if each.environment is environment}))


def load_profiles(directory: Path = SHIPPED_PROFILES, whose: Identity = FICTITIOUS) -> Profiles:
    """Return the profiles in the ``*.toml`` files of `directory`, and those in its `earlier`; raises ProfileUnsafe.

    An authority's own policies replace those of the files, and its certification practice statement joins them.
    """
    profiles = _read_all(directory, check_alone, whose)
    if not profiles:
        raise ProfileUnsafe(f"There is no certificate profile in {directory}.")
    if whose.organisation != FICTITIOUS.organisation and whose.policies.keys() != (
        types := {it.type_id for it in profiles}
    ):
        raise ProfileUnsafe(f"{FILE} needs a policy for each certificate type: {', '.join(sorted(types))}.")
    check_together(profiles)
    # An earlier version was checked by the rules of its release.
    earlier = _read_all(directory / "earlier", lambda _: None, whose)
    return Profiles(
        {profile.type_id: profile for profile in profiles}, {(it.type_id, it.version): it for it in earlier}
    )


def _read_all(directory: Path, check: Callable[[Profile], None], whose: Identity) -> list[Profile]:
    try:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.toml"))}
    except (OSError, UnicodeDecodeError) as fault:
        raise ProfileUnsafe(f"The certificate profiles in {directory} cannot be read ({fault}).") from None
    return [read_profile(text, name, check, whose) for name, text in texts.items()]


def read_profile(
    text: str, name: str, check: Callable[[Profile], None] = check_alone, whose: Identity = FICTITIOUS
) -> Profile:
    """Return one profile from TOML; raises ProfileUnsafe, with `name` in its sentence."""
    try:
        profile = _File.model_validate(tomllib.loads(text)).profile(whose)
        check(profile)
    except ValidationError as wrong:
        raise ProfileUnsafe(f"The certificate profile {name} cannot be used: {faults(wrong)}.") from None
    except ValueError as fault:
        raise ProfileUnsafe(f"The certificate profile {name} cannot be used: {fault}.") from None
    return profile


class _Validity(Table):
    longest: tuple[LongestValidity, ...]
    backdated_minutes: StrictInt


class _Names(Table):
    dns: StrictBool
    most: Annotated[StrictInt, Field(ge=0)]
    extended_key_usage: tuple[Usage, ...]


class _UsageWith(Table):
    bit: KeyUsage
    needs: Annotated[Usage, Field(alias="with")]


class _Keys(Table):
    ca: StrictStr
    sizes: tuple[StrictInt, ...]
    usage: tuple[KeyUsage | _UsageWith, ...]

    def rules(self) -> KeyRules:
        usage = dict((it.bit, it.needs) if isinstance(it, _UsageWith) else (it, None) for it in self.usage)
        return KeyRules(self.ca, self.sizes, usage)


class _File(Table):
    """The format of a profile file; only fields with a default are optional."""

    type: Annotated[StrictStr, Field(min_length=1)]
    version: Annotated[StrictInt, Field(ge=1)]
    environment: Environment
    policy: StrictStr
    subject: tuple[SubjectAttribute, ...]
    extensions: tuple[ExtensionRule, ...]
    names: _Names
    validity: _Validity
    keys: Mapping[KeyFamily, _Keys]

    def profile(self, whose: Identity) -> Profile:
        policy = whose.policies.get(self.type, self.policy)
        cps = whose.repository.cps if whose.repository else None
        named = {"policy": policy} | ({"cps": cps} if cps else {})
        content = json.dumps(self.model_dump(mode="json") | named, sort_keys=True).encode()
        return Profile(
            type_id=self.type,
            version=self.version,
            environment=self.environment,
            policy=policy,
            cps=cps,
            longest_validity=self.validity.longest,
            backdating=timedelta(minutes=self.validity.backdated_minutes),
            keys={family: keys.rules() for family, keys in self.keys.items()},
            dns_names=self.names.dns,
            most_names=self.names.most,
            usages=frozenset(self.names.extended_key_usage),
            subject=self.subject,
            extensions=self.extensions,
            digest=sha256(content).hexdigest(),
        )
