"""Safety checks of profiles: each alone, all together, and all with the installed CAs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from . import der
from .authority import Authority
from .issuer import ANY_POLICY, IssuerInfo
from .names import BUSINESS_ID_LENGTH, SUBJECT_BOUND
from .profile import (
    Attribute,
    Environment,
    ExtensionName,
    KeyRules,
    KeyUsage,
    Profile,
    StringType,
    SubjectAttribute,
    SubjectField,
    Usage,
)
from .spki import KEY_SIZES, KeyFamily
from .validity import start_of_validity, validity

# The environment of each type, and whether it is a server's. A profile file cannot change them (I11).
_TYPES = {
    "server": (Environment.PRODUCTION, True),
    "test-server": (Environment.TEST, True),
    "system-signature": (Environment.PRODUCTION, False),
    "test-system-signature": (Environment.TEST, False),
}

# In the subject of every type.
_COUNTRY = "FI"

# The longest validity of any certificate of this service (B1), and the largest backdating.
_MOST_YEARS = 2
_MOST_BACKDATING = timedelta(hours=1)

# An application has no more names of each kind: a larger limit would promise what no event can hold.
MOST_NAMES = 100

# RFC 5280, 4.2.1.3 and 4.2.1.9 require these to be critical, and not the others of a service certificate.
_CRITICAL = {ExtensionName.KEY_USAGE, ExtensionName.BASIC_CONSTRAINTS}
_SERVER_ONLY = {ExtensionName.EXTENDED_KEY_USAGE, ExtensionName.SUBJECT_ALTERNATIVE_NAME}

# RFC 5280, appendix A: these two are PrintableString.
_PRINTABLE = {Attribute.COUNTRY, Attribute.SERIAL_NUMBER}
_FIELD_OF = {
    Attribute.COUNTRY: None,
    Attribute.ORGANISATION: SubjectField.ORGANISATION,
    Attribute.UNIT: SubjectField.UNIT,
    Attribute.SERIAL_NUMBER: SubjectField.BUSINESS_ID,
    Attribute.COMMON_NAME: SubjectField.COMMON_NAME,
}


class ProfileUnsafe(ValueError):
    """The profiles cannot be used; the message is one sentence that names the profile and the field."""

    exit_code = 78


def check_alone(profile: Profile) -> None:
    """Raise ValueError if a profile breaks a rule by itself; the message is half a sentence that names the field."""
    der.oid(profile.policy)
    if profile.policy == ANY_POLICY:
        # It would match the policies of both environments.
        raise ValueError("policy: anyPolicy says nothing; name the type's own")
    if profile.dns_names != bool(profile.usages):
        raise ValueError("names: extended_key_usage belongs to a type with dns, and only to such a type")
    if profile.most_names not in (range(1, MOST_NAMES + 1) if profile.dns_names else (0,)):
        raise ValueError(f"names: most is 1 to {MOST_NAMES} for a type with dns, and 0 for another")
    _check_type(profile)
    _check_validity(profile)
    _check_subject(profile.subject)
    _check_extensions(profile)
    if profile.keys.keys() != set(KeyFamily):
        raise ValueError("keys: say what rsa and ec keys are for")
    for family, rules in profile.keys.items():
        _check_keys(family, rules, _required_usage(profile.dns_names, family))


def _check_type(profile: Profile) -> None:
    if profile.type_id not in _TYPES:
        raise ValueError(f"type: it must be one of {', '.join(_TYPES)}")
    environment, is_server = _TYPES[profile.type_id]
    if profile.environment is not environment:
        raise ValueError(f"environment: {profile.type_id} certificates are {environment} certificates")
    if profile.dns_names != is_server:
        raise ValueError(f"names: {profile.type_id} certificates have {'' if is_server else 'no '}dns names")


def _check_validity(profile: Profile) -> None:
    if not any(limit.since == date.min for limit in profile.longest_validity):
        raise ValueError("validity: longest has no entry without a from day")
    if len({limit.since for limit in profile.longest_validity}) < len(profile.longest_validity):
        raise ValueError("validity: longest has two entries from the same day")
    if not all(1 <= limit.years <= _MOST_YEARS for limit in profile.longest_validity):
        raise ValueError(f"validity: longest must be 1 to {_MOST_YEARS} years")
    if not timedelta() <= profile.backdating <= _MOST_BACKDATING:
        raise ValueError("validity: backdated_minutes must be 0 to 60")


def _check_subject(subject: tuple[SubjectAttribute, ...]) -> None:
    if Counter(it.attribute for it in subject) != Counter(Attribute):
        raise ValueError(f"subject: say each of {', '.join(Attribute)} once")
    for it in subject:
        if it.field is not _FIELD_OF[it.attribute]:
            raise ValueError(f"subject: {it.attribute} must come from {_FIELD_OF[it.attribute] or 'a text of its own'}")
        if (it.string is StringType.PRINTABLE) != (it.attribute in _PRINTABLE):
            raise ValueError(f"subject: {it.attribute} has the wrong string type")
        if it.field is None:
            if it.text != _COUNTRY:
                raise ValueError(f"subject: C must be {_COUNTRY}")
            continue
        least = BUSINESS_ID_LENGTH if it.field is SubjectField.BUSINESS_ID else 1
        if it.text or not least <= it.longest <= SUBJECT_BOUND:
            raise ValueError(
                f"subject: {it.attribute} has no text of its own, and longest is {least} to {SUBJECT_BOUND}"
            )


def _check_extensions(profile: Profile) -> None:
    required = set(ExtensionName) if profile.dns_names else set(ExtensionName) - _SERVER_ONLY
    names = Counter(it.name for it in profile.extensions)
    for name in ExtensionName:
        if names[name] != (name in required):
            raise ValueError(f"extensions: {name} must stand there {'once' if name in required else 'not at all'}")
    for it in profile.extensions:
        if it.critical != (it.name in _CRITICAL):
            raise ValueError(f"extensions: {it.name} must {'' if it.name in _CRITICAL else 'not '}be critical")


def _check_keys(family: KeyFamily, rules: KeyRules, usage: Mapping[KeyUsage, Usage | None]) -> None:
    if not rules.ca:
        raise ValueError(f"keys.{family}: ca names no CA")
    if not rules.sizes or not set(rules.sizes) <= set(KEY_SIZES[family]):
        raise ValueError(f"keys.{family}: sizes must be some of {list(KEY_SIZES[family])}")
    if rules.usage != usage:
        bits = " and ".join(bit if needs is None else f"{bit} with {needs}" for bit, needs in usage.items())
        raise ValueError(f"keys.{family}: usage must be {bits}, which is what the type is for")


def _required_usage(is_server: bool, family: KeyFamily) -> Mapping[KeyUsage, Usage | None]:
    """Return the key usage of a type: an end of TLS authenticates itself, a server's RSA key receives keys.

    RFC 5280, 4.2.1.12: keyEncipherment is consistent with serverAuth, and not with clientAuth alone.
    """
    if not is_server:
        return {KeyUsage.DIGITAL_SIGNATURE: None, KeyUsage.NON_REPUDIATION: None}
    if family is KeyFamily.RSA:
        return {KeyUsage.DIGITAL_SIGNATURE: None, KeyUsage.KEY_ENCIPHERMENT: Usage.SERVER_AUTH}
    return {KeyUsage.DIGITAL_SIGNATURE: None}


def check_together(profiles: Iterable[Profile]) -> None:
    """Raise ProfileUnsafe if profiles share a type or policy, environments a CA (I11), or a type has no profile."""
    seen: dict[str, Profile] = {}
    for profile in profiles:
        for shared in (profile.type_id, profile.policy):
            other = seen.setdefault(shared, profile)
            if other is not profile:
                raise ProfileUnsafe(_share_message(other, profile, shared))
        for ca in {rules.ca for rules in profile.keys.values()}:
            other = seen.setdefault(f"the CA {ca}", profile)
            if other.environment is not profile.environment:
                raise ProfileUnsafe(_share_message(other, profile, f"the CA {ca}"))
    for type_id in _TYPES:
        if type_id not in seen:
            raise ProfileUnsafe(
                f"There is no certificate profile of {type_id}, so that every application for one would be refused."
            )


def _share_message(one: Profile, other: Profile, shared: str) -> str:
    return (
        f"The profiles of {one.type_id} ({one.environment}) and {other.type_id} ({other.environment}) "
        f"share {shared}; give each its own."
    )


def check_issuers(profiles: Iterable[Profile], issuers: Iterable[IssuerInfo], now: datetime) -> None:
    """Raise ProfileUnsafe if a profile's CA is missing, not valid `now` (aware), or does not fit the profile.

    A relying party that requires the profile's policy rejects certificates of a CA that does not name it.
    """
    installed = list(issuers)
    for profile in profiles:
        for family, rules in profile.keys.items():
            named = [issuer for issuer in installed if issuer.is_of(rules.ca)]
            if any((it.environment, it.family) != (profile.environment, family) for it in named):
                raise ProfileUnsafe(
                    f"The profile of {profile.type_id} wants {rules.ca} to sign {profile.environment} certificates of "
                    f"{family} keys, and that CA is for others; name another."
                )
            valid = [it for it in named if it.not_before <= now <= it.not_after]
            if not valid:
                raise ProfileUnsafe(
                    f"The profile of {profile.type_id} wants {rules.ca} to sign {family} keys, and no CA of that name "
                    f"is active on {now:%Y-%m-%d}; make one with `servicecert ca init`, or name another."
                )
            for issuer in valid:
                if not issuer.allows(profile.policy):
                    raise ProfileUnsafe(
                        f"The profile of {profile.type_id} has the policy {profile.policy}, which the certificate of "
                        f"{issuer.id} does not name: begin a new generation of that CA, or name a policy that it has."
                    )


def rooms_of(authority: Authority, profiles: Iterable[Profile], now: datetime) -> Mapping[str, float]:
    """Return for each CA that signs now how many seconds before it the longest certificate made now would end.

    Below 0 it signs none. Raise AuthorityMissing.
    """
    found: dict[str, float] = {}
    for profile in profiles:
        ends = validity(profile, start_of_validity(profile, now)).not_after
        for family in profile.keys:
            ca = authority.issuer_for(profile.environment, family, now)
            room = (ca.not_after - ends).total_seconds()
            found[ca.id] = min(found.get(ca.id, room), room)
    return found
