"""Intake judges by the profiles that the issuer issues by: each value of a profile is changed, one at a time."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from journeys.profiles_in_use import Issuer, judged
from servicecert_issuer.domain.issuance import Linted
from servicecert_pki.authority import Authority
from servicecert_pki.lint import Linter, LintSetting
from servicecert_pki.names import SUBJECT_BOUND
from servicecert_pki.profile_safety import MOST_NAMES, ProfileUnsafe
from servicecert_pki.profiles import SHIPPED_PROFILES, Profiles, load_profiles
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import ServerNames, Subject
from services.intake.conftest import SIGNATURE_FORM

MUNICIPALITY = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900082-7"},
    "unit_long_name": "Tarinalaakson kuntayhtymä",
}
"""The registered name of this organisation is too long, and has an abbreviation of 30 characters."""

IMAGING = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900001-8"},
    "unit_long_name": "Kuvitelman hyvinvointialue, Saduniemen keskussairaalan kuvantamisyksikkö",
}
"""The name of this unit is too long, and has an abbreviation of 42 characters."""

CITY = {
    **SIGNATURE_FORM,
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900017-3"},
    "unit_long_name": "Aaveniemen kaupunki",
    "information_system": {"name": "Mielikuva Potilastieto", "system_id": "FIKTIO-1001"},
}
NO_SYSTEM = {**CITY, "information_system": None}
TWO_NAMES = {"names": {"dns": ["kanta.onnela.example.fi", "k.onnela.example.fi"]}}
THREE_ADDRESSES = {
    "names": {"dns": ["k.onnela.example.fi"], "ip": ["193.166.2.1", "193.166.2.2", "193.166.2.3", "193.166.2.2"]}
}
CLIENT, BOTH, NO_USAGE = ({"usages": it} for it in (["client-auth"], ["client-auth", "server-auth"], []))

Lacking = tuple[str, str, str]
"""A code, its field, and the limit of the profile that the text has to name."""


@dataclass(frozen=True)
class Changed:
    """A profile with one changed value; an application is accepted, or lacks something."""

    path: str
    before: str
    after: str
    application: Mapping[str, Any] = field(default_factory=dict)
    csr: str = "ec-p384"
    lacks: Lacking | None = None
    subject: Mapping[str, str] = field(default_factory=dict)
    type: str = "server"

    def __str__(self) -> str:
        return f"{self.type} {self.path} {self.after} {'returned' if self.lacks else 'accepted'}"

    def profiles(self, folder: Path) -> Profiles:
        return load_changed(folder, self.type, self.before, self.after)


def load_changed(folder: Path, type: str, before: str, after: str) -> Profiles:
    """Return the shipped profiles with one value changed, and the version raised."""
    for file in SHIPPED_PROFILES.glob("*.toml"):
        content = file.read_text("utf-8")
        if file.stem == type:
            assert content.count(before) == 1, f"{before} stands elsewhere now"
            content = re.sub(r"(?m)^version = \d$", "version = 7", content.replace(before, after))
        (folder / file.name).write_text(content, "utf-8")
    return load_profiles(folder)


def longest(of: str, characters: int, *, type: str = "server", **about: Any) -> Changed:
    line = f'from = "{of}", longest = '
    return Changed(f"subject.{of}", f"{line}64", f"{line}{characters}", type=type, **about)


def most(number: int, **about: Any) -> Changed:
    return Changed("names.most", "most = 100", f"most = {number}", **about)


def usage(*usages: str, **about: Any) -> Changed:
    listed = ", ".join(f'"{each}"' for each in usages)
    return Changed("names.extended_key_usage", '["server-auth", "client-auth"]', f"[{listed}]", **about)


def sizes(*bits: int, **about: Any) -> Changed:
    return Changed("keys.rsa.sizes", "[2048, 3072, 4096]", f"[{', '.join(map(str, bits))}]", **about)


def validity(limits: str, **about: Any) -> Changed:
    return Changed("validity.longest", "[{ years = 2 }]", f"[{limits}]", **about)


UNIT, ORGANISATION, COMMON = "Onnelan VI apteekki", "Apteekkari Urho Kuviteltu", "kanta.onnela.example.fi"

CHANGES = (
    longest("organisation", len(ORGANISATION), subject={"organisation": ORGANISATION}),
    longest(
        "organisation",
        len(ORGANISATION) - 1,
        lacks=("organisation-name-too-long", "applicant.business_id", str(len(ORGANISATION) - 1)),
    ),
    longest("organisation", 30, application=MUNICIPALITY, subject={"organisation": "Tarinalaakson sote-kuntayhtymä"}),
    longest(
        "organisation",
        29,
        application=MUNICIPALITY,
        lacks=("organisation-name-too-long", "applicant.business_id", "29"),
    ),
    longest("unit", len(UNIT), subject={"organisational_unit": UNIT}),
    longest("unit", len(UNIT) - 1, lacks=("unit-name-too-long", "unit_long_name", str(len(UNIT) - 1))),
    longest(
        "unit",
        42,
        application=IMAGING,
        subject={"organisational_unit": "Kuvitelman hva, Saduniemen ks kuvantaminen"},
    ),
    longest("unit", 41, application=IMAGING, lacks=("unit-name-too-long", "unit_long_name", "41")),
    longest("business-id", 9, subject={"business_id": "9900058-7"}),
    longest("common-name", len(COMMON), application=TWO_NAMES, subject={"common_name": COMMON}),
    longest("common-name", len(COMMON) - 1, application=TWO_NAMES, subject={"common_name": "k.onnela.example.fi"}),
    longest("common-name", 18, application=TWO_NAMES, lacks=("common-name-missing", "names.dns", "18")),
    longest("common-name", 22, type="system-signature", application=CITY),
    longest(
        "common-name",
        21,
        type="system-signature",
        application=CITY,
        lacks=("system-name-unfit", "information_system.name", "21"),
    ),
    longest("common-name", 19, type="system-signature", application=NO_SYSTEM),
    longest(
        "common-name",
        18,
        type="system-signature",
        application=NO_SYSTEM,
        lacks=("organisation-name-too-long", "applicant.business_id", "18"),
    ),
    longest("organisation", 19, type="system-signature", application=CITY),
    longest(
        "organisation",
        18,
        type="system-signature",
        application=CITY,
        lacks=("organisation-name-too-long", "applicant.business_id", "18"),
    ),
    most(2, application=TWO_NAMES),
    most(1, application=TWO_NAMES, lacks=("dns-names-too-many", "names.dns", "1")),
    most(3, application=THREE_ADDRESSES),
    most(2, application=THREE_ADDRESSES, lacks=("ip-addresses-too-many", "names.ip", "2")),
    usage("client-auth", application=CLIENT),
    usage("server-auth", application=CLIENT, lacks=("usages-not-allowed", "usages", "server authentication")),
    usage("client-auth", application=BOTH, lacks=("usages-not-allowed", "usages", "client authentication")),
    usage("client-auth", application=NO_USAGE, lacks=("usages-missing", "usages", "client authentication.")),
    sizes(3072, csr="rsa-3072"),
    sizes(3072, csr="rsa-2048", lacks=("key-size", "csr", "3072")),
    sizes(3072, csr="rsa-4096", lacks=("key-size", "csr", "3072")),
    sizes(3072, csr="rsa-1024", lacks=("key-size", "csr", "3072")),
    sizes(3072, 4096, csr="rsa-2048", lacks=("key-size", "csr", "3072 or 4096")),
    sizes(3072, csr="ed25519", lacks=("key-algorithm", "csr", "3072 bits, or an EC key on the curve P-384")),
    sizes(3072, csr="ec-p384"),
    validity("{ years = 1 }", application={"validity_days": 365}),
    validity("{ years = 1 }", application={"validity_days": 366}, lacks=("validity-too-long", "validity_days", "365")),
    validity("{ years = 1 }"),
    validity(
        "{ years = 2 }, { from = 2026-12-24, years = 1 }",
        application={"start_date": "2026-12-24", "validity_days": 366},
        lacks=("validity-too-long", "validity_days", "365"),
    ),
    validity(
        "{ years = 2 }, { from = 2026-12-24, years = 1 }",
        application={"start_date": "2026-12-23", "validity_days": 700},
    ),
    Changed("validity.backdated_minutes", "backdated_minutes = 0", "backdated_minutes = 60"),
    Changed("policy", "32473.1.1", "32473.1.77"),
    Changed("version", "version = 2\n", "version = 8\n"),
)

REFUSED = (
    ("type", 'type = "server"', 'type = "other"'),
    ("environment", 'environment = "production"', 'environment = "test"'),
    ("subject.attribute", 'attribute = "OU"', 'attribute = "O"'),
    ("subject.string", 'attribute = "O", string = "utf8"', 'attribute = "O", string = "printable"'),
    ("subject.text", 'text = "FI"', 'text = "SE"'),
    ("subject.from", 'from = "unit"', 'from = "organisation"'),
    ("subject.organisation", '"organisation", longest = 64', '"organisation", longest = 65'),
    ("subject.unit", '"unit", longest = 64', '"unit", longest = 65'),
    ("subject.business-id", '"business-id", longest = 64', '"business-id", longest = 8'),
    ("subject.common-name", '"common-name", longest = 64', '"common-name", longest = 65'),
    ("extensions.name", '{ name = "certificate-policies" },', ""),
    ("extensions.critical", '"key-usage", critical = true', '"key-usage"'),
    ("names.dns", "dns = true", "dns = false"),
    ("names.most", "most = 100", "most = 101"),
    ("validity.longest", "{ years = 2 }", "{ years = 3 }"),
    ("validity.backdated_minutes", "backdated_minutes = 0", "backdated_minutes = 61"),
    ("keys.rsa.ca", 'ca = "production-rsa"', 'ca = ""'),
    ("keys.rsa.sizes", "[2048, 3072, 4096]", "[2048, 3072, 4096, 8192]"),
    ("keys.rsa.usage", '{ bit = "key-encipherment", with = "server-auth" }', '"key-encipherment"'),
    ("keys.ec.ca", 'ca = "production-ec"', 'ca = ""'),
    ("keys.ec.sizes", "sizes = [384]", "sizes = [384, 256]"),
    ("keys.ec.usage", 'usage = ["digital-signature"]', 'usage = ["key-encipherment"]'),
)
"""Values that a profile cannot have: no release starts with them, so intake and issuer never see them."""


@pytest.fixture(scope="module")
def issuer(authority_of_2026: Path) -> Issuer:
    return Issuer(Authority.load(authority_of_2026), Linter.with_new_keys(LintSetting.SHAPE))


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_A4_A6_A10_B1_intake_and_issuer_judge_by_the_same_changed_profile(
    issuer: Issuer, tmp_path: Path, change: Changed
) -> None:
    profiles = change.profiles(tmp_path)
    found = judged(profiles, change.application, change.csr)
    if change.lacks is None:
        assert found.accepted is not None, found.lacks
        assert {name: getattr(found.accepted.subject, name) for name in change.subject} == change.subject
        assert found.accepted.profile_version == profiles[change.type].version
        assert isinstance(issuer.examined(profiles, found.accepted), Linted)
    else:
        code, at, limit = change.lacks
        assert set(found.lacks) == {(code, at)}
        *others, english = found.lacks[code, at]
        assert limit in english
        if limit.isdigit():
            assert all(limit in text for text in others)


@pytest.mark.parametrize("change", [each for each in CHANGES if each.lacks is not None], ids=str)
def test_what_a_changed_profile_returns_was_accepted_before(change: Changed) -> None:
    """Otherwise the change would not be the reason."""
    found = judged(load_profiles(), change.application, change.csr)
    unrelated = {"rsa-1024": "key-size", "ed25519": "key-algorithm"}.get(change.csr)
    missing = "usages-missing" if change.application == NO_USAGE else None
    assert {code for code, _ in found.lacks} == {unrelated or missing} - {None}


@pytest.mark.parametrize(("path", "before", "after"), REFUSED, ids=lambda text: text)
def test_a_value_beyond_the_outer_bounds_is_refused_at_the_start(
    tmp_path: Path, path: str, before: str, after: str
) -> None:
    with pytest.raises(ProfileUnsafe, match=path.partition(".")[0]):
        load_changed(tmp_path, "server", before, after)


def test_every_value_of_a_profile_is_changed_here() -> None:
    text = (SHIPPED_PROFILES / "server.toml").read_text("utf-8")
    covered = {each.path for each in CHANGES} | {path for path, _, _ in REFUSED}
    assert set(values(tomllib.loads(text))) == covered


def values(table: Mapping[str, Any], under: str = "") -> Iterator[str]:
    """Yield the path of each value; a subject's length by the name of its field."""
    for name, value in table.items():
        if name == "longest" and isinstance(value, int):
            yield f"{under}{table['from']}"
        elif isinstance(value, dict):
            yield from values(value, f"{under}{name}.")
        elif isinstance(value, list) and isinstance(value[0], dict) and name != "longest":
            for each in value:
                yield from values(each, f"{under}{name}.")
        else:
            yield f"{under}{name}"


def test_the_bounds_of_events_are_the_outer_bounds_of_profiles() -> None:
    """An event cannot hold less than a profile may allow."""
    subject, names = (it.model_json_schema()["properties"] for it in (Subject, ServerNames))
    for name in ("organisation", "organisational_unit", "common_name"):
        assert subject[name]["maxLength"] == SUBJECT_BOUND
    assert {names[kind]["maxItems"] for kind in ("dns", "ip")} == {MOST_NAMES}
    typed = Form.model_json_schema()["$defs"]["Names"]["properties"]
    assert {typed[kind]["maxItems"] for kind in ("dns", "ip")} == {MOST_NAMES}
