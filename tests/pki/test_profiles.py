from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import ANY_POLICY
from servicecert_pki.profile import Environment
from servicecert_pki.profile_safety import ProfileUnsafe, check_issuers, rooms_of
from servicecert_pki.profiles import SHIPPED_PROFILES, Profiles, load_profiles, read_profile
from servicecert_pki.validity import start_of_validity, validity

CEREMONY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SERVER = (SHIPPED_PROFILES / "server.toml").read_text(encoding="utf-8")


def test_the_four_types_are_shipped(profiles: Profiles) -> None:
    assert set(profiles.by_type) == {"server", "test-server", "system-signature", "test-system-signature"}


def test_I11_production_and_test_differ_in_environment_policy_and_ca_only(profiles: Profiles) -> None:
    assert not {*profiles.policies(Environment.PRODUCTION)} & {*profiles.policies(Environment.TEST)}
    for name in ("server", "system-signature"):
        production, test = vars(profiles[name]), vars(profiles[f"test-{name}"])
        assert {field for field in production if production[field] != test[field]} == {
            "type_id",
            "environment",
            "policy",
            "keys",
            "digest",
        }


def test_I11_a_policy_shared_by_production_and_test_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SERVER)
    (tmp_path / "b.toml").write_text(SERVER.replace('"server"', '"test-server"').replace('"production"', '"test"'))
    with pytest.raises(ProfileUnsafe, match=r"server \(production\) and test-server \(test\) share 1\.3\.6"):
        load_profiles(tmp_path)


def test_a_type_that_two_files_describe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SERVER)
    (tmp_path / "b.toml").write_text(SERVER.replace("32473.1.1", "32473.1.9"))
    with pytest.raises(ProfileUnsafe, match="share server; give each its own"):
        load_profiles(tmp_path)


def test_a_folder_without_profiles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileUnsafe, match="no certificate profile in"):
        load_profiles(tmp_path)


def test_a_profile_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(ProfileUnsafe, match="cannot be read"):
        load_profiles(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("years = 2", "years = 3", "validity: longest must be 1 to 2 years"),
        ("years = 2", "years = 0", "validity: longest must be 1 to 2 years"),
        ("years = 2", "years = true", "validity.longest.0.years: Input should be a valid integer"),
        ("years = 2", "from = 2020-09-01, years = 2", "no entry without a from day"),
        ("{ years = 2 }", "{ years = 2 }, { years = 1 }", "two entries from the same day"),
        ("backdated_minutes = 0", "backdated_minutes = 61", "backdated_minutes must be 0 to 60"),
        ("backdated_minutes = 0", "backdated_minutes = -1", "backdated_minutes must be 0 to 60"),
        ("version = 2", "version = 0", "version: give at least 1"),
        ("version = 2", "", "version: add it"),
        ("version = 2", "version = 2\nextra = 1", "extra: there is no such field"),
        ('"production"', '"staging"', "environment: Input should be 'production' or 'test'"),
        ("1.3.6.1.4.1.32473.1.1", "9.9", "9.9 is no object identifier"),
        ("1.3.6.1.4.1.32473.1.1", "policy", "policy"),
        ("1.3.6.1.4.1.32473.1.1", "2.5.29.32.0", "policy: anyPolicy says nothing"),
        ('type = "server"', 'type = ""', "type: String should have at least 1 character"),
        (
            'type = "server"',
            'type = "servers"',
            "type: it must be one of server, test-server, system-signature, test-sys",
        ),
        ("dns = true", 'dns = "yes"', "names.dns: Input should be a valid boolean"),
        ("dns = true", "dns = false", "extended_key_usage belongs to"),
        ("most = 100", "most = 0", "names: most is 1 to 100"),
        ("most = 100", "most = 101", "names: most is 1 to 100"),
        ('["server-auth", "client-auth"]', '["code-signing"]', "names.extended_key_usage.0: Input should be"),
        ("[keys.ec]", "[keys.dsa]", "keys.dsa"),
        ('[keys.ec]\nca = "production-ec"\nsizes = [384]\nusage = ["digital-signature"]\n', "", "what rsa and ec keys"),
        ('ca = "production-ec"', 'ca = ""', "keys.ec: ca names no CA"),
        ("sizes = [384]", "sizes = [256]", r"keys.ec: sizes must be some of \[384\]"),
        ("2048, 3072, 4096", "1024", "keys.rsa: sizes must be some of"),
        ("2048, 3072, 4096", "", "keys.rsa: sizes must be some of"),
        ("[384]\nusage = [", '[384]\nusage = ["key-encipherment", ', "keys.ec: usage must be digital-signature, which"),
        (
            ', { bit = "key-encipherment", with = "server-auth" }',
            "",
            "keys.rsa: usage must be digital-signature and key-encipherment with server-auth",
        ),
        (
            '{ bit = "key-encipherment", with = "server-auth" }',
            '"key-encipherment"',
            "keys.rsa: usage must be digital-signature and key-enc",
        ),
        ('with = "server-auth"', 'with = "client-auth"', "keys.rsa: usage must be digital-signature and key-enc"),
        (
            '{ bit = "key-encipherment", with = "server-auth" }',
            '"non-repudiation"',
            "keys.rsa: usage must be digital-signature and key-enc",
        ),
        ('"key-usage", critical = true', '"key-usage"', "extensions: key-usage must be critical"),
        (
            '"certificate-policies"',
            '"certificate-policies", critical = true',
            "certificate-policies must not be critical",
        ),
        ('    { name = "crl-distribution-points" },\n', "", "crl-distribution-points must stand there once"),
        ('    { name = "authority-information-access" },\n', "", "authority-information-access must stand there once"),
        ('"key-usage", critical', '"basic-constraints", critical', "key-usage must stand there once"),
        ('attribute = "OU"', 'attribute = "O"', "subject: say each of C, O, OU, serialNumber, CN once"),
        ('from = "unit"', 'from = "organisation"', "subject: OU must come from unit"),
        ('text = "FI"', 'from = "unit"', "subject: C must come from a text of its own"),
        ('text = "FI"', 'text = "SE"', "subject: C must be FI"),
        ('text = "FI"', 'text = ""', "subject: C must be FI"),
        ('attribute = "CN", string = "utf8"', 'attribute = "CN", string = "printable"', "CN has the wrong string type"),
        ('"unit", longest = 64', '"unit", longest = 65', "OU has no text of its own, and longest is 1 to 64"),
        ('"unit", longest = 64', '"unit"', "OU has no text of its own, and longest is 1 to 64"),
        (
            '"business-id", longest = 64',
            '"business-id", longest = 8',
            "serialNumber has no text of its own, and longest is 9",
        ),
        ("[validity]", "[", "cannot be used"),
    ],
)
def test_an_unsafe_profile_is_refused_with_a_sentence(old: str, new: str, sentence: str) -> None:
    assert old in SERVER
    with pytest.raises(ProfileUnsafe, match=sentence) as refused:
        read_profile(SERVER.replace(old, new), "server.toml")
    assert str(refused.value).startswith("The certificate profile server.toml cannot be used: ")
    assert "\n" not in str(refused.value)


def test_a_signature_type_has_no_names_and_must_be_non_repudiable() -> None:
    signature = (SHIPPED_PROFILES / "system-signature.toml").read_text(encoding="utf-8")
    with pytest.raises(ProfileUnsafe, match="extensions: subject-alternative-name must stand there not at all"):
        read_profile(signature.replace('"key-usage", c', '"subject-alternative-name" }, { name = "key-usage", c'), "s")
    with pytest.raises(ProfileUnsafe, match=r"keys.rsa: usage must be digital-signature and non-repudiation"):
        read_profile(signature.replace(', "non-repudiation"', ""), "s")


@pytest.mark.parametrize(("type_id", "environment"), [("test-server", "test"), ("server", "production")])
def test_I11_a_type_of_the_other_environment_is_refused(type_id: str, environment: str) -> None:
    """A profile copied from the other environment with only its type changed would sign with the other's CA."""
    other = "production" if type_id.startswith("test-") else "test"
    copied = SERVER.replace('"server"', f'"{type_id}"').replace("production", other)
    with pytest.raises(ProfileUnsafe, match=f"environment: {type_id} certificates are {environment} certificates"):
        read_profile(copied, "copied.toml")


def test_a_type_that_is_given_the_contents_of_another_is_refused() -> None:
    """Its key usages would fit its contents, but not its type."""
    signature = (SHIPPED_PROFILES / "system-signature.toml").read_text(encoding="utf-8")
    with pytest.raises(ProfileUnsafe, match="names: server certificates have dns names"):
        read_profile(signature.replace('type = "system-signature"', 'type = "server"'), "s")
    with pytest.raises(ProfileUnsafe, match="names: system-signature certificates have no dns names"):
        read_profile(SERVER.replace('type = "server"', 'type = "system-signature"'), "s")


def test_a_type_without_a_profile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text(SERVER)
    with pytest.raises(ProfileUnsafe, match="no certificate profile of test-server, so that every application"):
        load_profiles(tmp_path)


def test_I11_a_ca_shared_by_production_and_test_is_refused(tmp_path: Path) -> None:
    for file in SHIPPED_PROFILES.glob("*.toml"):
        (tmp_path / file.name).write_text(file.read_text().replace('"test-ec"', '"production-ec"'))
    with pytest.raises(ProfileUnsafe, match=r"\(production\) and .* \(test\) share the CA production-ec"):
        load_profiles(tmp_path)


def test_profiles_without_an_active_ca_of_their_kind_are_refused(profiles: Profiles, authority: Authority) -> None:
    issuers, each = authority.issuers.values(), profiles.by_type.values()
    check_issuers(each, issuers, CEREMONY)
    for present, moment in (
        (issuers, CEREMONY.replace(year=2100)),
        (issuers, CEREMONY.replace(year=2000)),
        ([], CEREMONY),
    ):
        with pytest.raises(ProfileUnsafe, match=r"no CA of that name is active on"):
            check_issuers(each, present, moment)
    mistaken = replace(authority.issuer("production-rsa"), id="production-ec-2")
    with pytest.raises(ProfileUnsafe, match="production-ec to sign production certificates of ec keys, and that CA is"):
        check_issuers(each, [*issuers, mistaken], CEREMONY)


def test_B1_each_ca_has_room_for_the_longest_certificate_until_it_would_outlive_it(
    profiles: Profiles, authority: Authority
) -> None:
    now, each = CEREMONY + timedelta(days=1), profiles.by_type.values()
    begun = rooms_of(authority, each, now)
    assert begun.keys() == authority.issuers.keys()
    assert min(begun.values()) > 0
    ca = authority.issuer("production-ec")
    (longest,) = {validity(it, start_of_validity(it, now)).days for it in each if it.type_id == "server"}
    room = rooms_of(authority, [profiles["server"]], ca.not_after - timedelta(days=longest + 10))[ca.id]
    assert timedelta(days=9) < timedelta(seconds=room) < timedelta(days=11)
    assert rooms_of(authority, [profiles["server"]], ca.not_after - timedelta(days=longest - 10))[ca.id] < 0


def test_a_later_generation_of_a_ca_takes_its_place(profiles: Profiles, authority: Authority) -> None:
    later = [replace(it, id=f"{it.id}-2") for it in authority.issuers.values()]
    check_issuers(profiles.by_type.values(), later, CEREMONY)
    with pytest.raises(ProfileUnsafe, match="no CA of that name"):
        check_issuers(profiles.by_type.values(), [replace(it, id=f"{it.id}x") for it in later], CEREMONY)


def test_a_policy_that_the_ca_was_not_certified_for_is_refused(profiles: Profiles, authority: Authority) -> None:
    """No chain would be valid for the policy: a chain's policies are in all its certificates (RFC 5280, 6.1.3)."""
    issuers = list(authority.issuers.values())
    changed = replace(profiles["server"], policy="1.3.6.1.4.1.32473.1.99")
    with pytest.raises(
        ProfileUnsafe, match=r"server has the policy 1\.3\.6\.1\.4\.1\.32473\.1\.99, which the certificate of prod"
    ):
        check_issuers([changed], issuers, CEREMONY)
    check_issuers([changed], [replace(it, policies=frozenset({ANY_POLICY})) for it in issuers], CEREMONY)
    with pytest.raises(ProfileUnsafe, match="does not name: begin a new generation"):
        check_issuers([profiles["server"]], [replace(it, policies=frozenset()) for it in issuers], CEREMONY)
