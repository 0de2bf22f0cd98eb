"""Follows docs/changing-a-profile.md step by step."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from docs.pages import CHECKOUT, blocks
from pki.readable import text
from pki.test_golden import GOLDEN, GoldenKey, contents_of, keys
from servicecert_pki.certificate import build_tbs, sign_tbs
from servicecert_pki.lint import Linter
from servicecert_pki.names import NameRefused, check_subject_text
from servicecert_pki.profile import Attribute
from servicecert_pki.profile_safety import ProfileUnsafe
from servicecert_pki.profiles import SHIPPED_PROFILES, load_profiles, read_profile
from servicecert_pki.spki import KeyFamily
from servicecert_pki.validity import ValidityRefused, validity

PAGE = CHECKOUT / "docs" / "changing-a-profile.md"
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def shown(*words: str) -> list[str]:
    return [block.text.strip() for block in blocks(PAGE) if block.words == words]


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Return the profiles after step 2, in both environments."""
    for file in SHIPPED_PROFILES.glob("*.toml"):
        content = file.read_text()
        if "server" in file.name:
            for before, after in zip(shown("toml", "server", "before"), shown("toml", "server", "after"), strict=True):
                assert content.count(before) == 1, f"{before} stands elsewhere now"
                content = content.replace(before, after)
        (tmp_path / file.name).write_text(content)
    return tmp_path


def test_the_changed_profile_does_what_the_page_says(changed: Path) -> None:
    profile = load_profiles(changed)["server"]
    assert profile.version == load_profiles()["server"].version + 1
    assert validity(profile, START, 365)
    with pytest.raises(ValidityRefused, match="at most 365 days"):
        validity(profile, START, 366)
    longest = {it.attribute: it.longest for it in profile.subject}[Attribute.ORGANISATION]
    assert check_subject_text("å" * longest, "organisation", longest)
    with pytest.raises(NameRefused, match="holds 60"):
        check_subject_text("å" * 61, "organisation", longest)


def test_the_refused_change_is_refused_in_the_pages_words() -> None:
    (refused,), (before, *_) = shown("toml", "server", "refused"), shown("toml", "server", "before")[1:]
    server = (SHIPPED_PROFILES / "server.toml").read_text()
    with pytest.raises(ProfileUnsafe) as error:
        read_profile(server.replace(before, refused), "server.toml")
    assert [str(error.value)] == shown("text")


@pytest.mark.parametrize("family", KeyFamily)
def test_the_golden_certificates_differ_as_the_page_says(changed: Path, linter: Linter, family: KeyFamily) -> None:
    meant = contents_of(load_profiles(changed)["server"], family)
    assert linter.findings(meant, build_tbs(meant)) == ()
    now = text(sign_tbs(build_tbs(meant), GoldenKey(keys(0)[family]))).splitlines()
    stored = (GOLDEN / f"server-{'rsa2048' if family is KeyFamily.RSA else 'p384'}.txt").read_text().splitlines()
    new_lines = [line for line in now if line not in stored and not line.startswith("to be signed")]
    assert new_lines == shown("text", "golden")
