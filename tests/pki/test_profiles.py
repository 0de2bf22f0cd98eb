from pathlib import Path

import pytest
from servicecert_pki.profiles import (
    SHIPPED_PROFILES,
    Environment,
    Profiles,
    ProfileUnsafe,
    load_profiles,
    read_profile,
)

SERVER = (SHIPPED_PROFILES / "server.toml").read_text(encoding="utf-8")


def test_the_four_types_are_shipped(profiles: Profiles) -> None:
    assert set(profiles.by_type) == {"server", "test-server", "system-signature", "test-system-signature"}


def test_I11_production_and_test_differ_in_their_policies_and_environment_only(profiles: Profiles) -> None:
    assert not {*profiles.policies(Environment.PRODUCTION)} & {*profiles.policies(Environment.TEST)}
    for name in ("server", "system-signature"):
        production, test = vars(profiles[name]), vars(profiles[f"test-{name}"])
        assert {field for field in production if production[field] != test[field]} == {
            "type_id",
            "environment",
            "policy",
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
        ("years = 2", "years = 3", "longest_validity must be 1 to 2 years"),
        ("years = 2", "years = 0", "longest_validity must be 1 to 2 years"),
        ("years = 2", "years = true", "longest_validity must be 1 to 2 years"),
        ("years = 2", "from = 2020-09-01, years = 2", "no entry without a from day"),
        ("version = 1", "version = 0", "version is not a whole number"),
        ("version = 1", "", "missing or unknown: version"),
        ("version = 1", "version = 1\nextra = 1", "missing or unknown: extra"),
        ('"production"', '"staging"', "'staging' is not a valid Environment"),
        ("1.3.6.1.4.1.32473.1.1", "9.9", "9.9 is no object identifier"),
        ("1.3.6.1.4.1.32473.1.1", "policy", "policy"),
        ('type = "server"', 'type = ""', "type is empty"),
        ("dns_names = true", 'dns_names = "yes"', "dns_names is neither"),
        ("dns_names = true", "dns_names = false", "extended_key_usage belongs to"),
        ('"server-auth"', '"code-signing"', "'code-signing' is not a valid Usage"),
        ('ec = ["digital-signature"]', "", "key_usage must say"),
        ('ec = ["digital-signature"]', "ec = []", "key_usage must say"),
        ('ec = ["digital-signature"]', 'ec = ["key-encipherment"]', "which it cannot do"),
        ("[key_usage]", "[", "cannot be used"),
    ],
)
def test_an_unsafe_profile_is_refused_with_a_sentence(old: str, new: str, sentence: str) -> None:
    assert old in SERVER
    with pytest.raises(ProfileUnsafe, match=sentence) as refused:
        read_profile(SERVER.replace(old, new), "server.toml")
    assert str(refused.value).startswith("The certificate profile server.toml cannot be used: ")
