"""Follows docs/changing-a-profile.md step by step, through intake, issuer and mail."""

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from docs.pages import CHECKOUT, blocks
from journeys.profiles_in_use import Issuer, judged, mails
from pki.readable import text
from pki.test_golden import GOLDEN, GoldenKey, contents_of, keys
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.knowledge import Knowledge
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, apply
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import build_tbs, sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Linter
from servicecert_pki.profile_safety import ProfileUnsafe
from servicecert_pki.profiles import SHIPPED_PROFILES, load_profiles, read_profile
from servicecert_pki.spki import KeyFamily
from services.intake.conftest import SERVER_FORM

PAGE = CHECKOUT / "docs" / "changing-a-profile.md"


def shown(*words: str) -> list[str]:
    return [block.text.strip() for block in blocks(PAGE) if block.words == words]


def lines(when: str) -> list[str]:
    """Return the lines of the profile that the page changes, before or after."""
    (block,) = shown("toml", "server", when)
    return block.splitlines()


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Return the profiles after step 1, in both environments."""
    for file in SHIPPED_PROFILES.glob("*.toml"):
        content = file.read_text()
        if "server" in file.name:
            for before, after in zip(lines("before"), lines("after"), strict=True):
                assert content.count(before) == 1, f"{before} stands elsewhere now"
                content = content.replace(before, after)
        (tmp_path / file.name).write_text(content)
    return tmp_path


def test_the_changed_profile_has_another_version(changed: Path) -> None:
    assert load_profiles(changed)["server"].version == load_profiles()["server"].version + 1


def with_registered_name(name: str) -> Knowledge:
    """Return the fictitious registers, in which the applicant has another name and no abbreviation."""
    entries = []
    for each in read_register(FICTITIOUS_REGISTERS):
        if getattr(each.entry, "business_id", None) == SERVER_FORM["applicant"]["business_id"]:
            each = each.model_copy(update={"entry": each.entry.model_copy(update={"registered_name": name})})
        entries.append((each.key(), each))
    return Knowledge(apply(NO_REGISTERS, entries))


@pytest.mark.parametrize(("characters", "days", "shows"), [(61, 365, 0), (60, 366, 1)])
def test_A10_B1_C4_what_does_not_fit_is_returned_and_mailed_in_the_pages_words(
    changed: Path, characters: int, days: int, shows: int
) -> None:
    fields = {"language": "en", "validity_days": days}
    found = judged(load_profiles(changed), fields, "ec-p384", with_registered_name("å" * characters))
    text = " ".join(shown("text", "returned")[shows].split())
    assert [each.texts.en for each in found.view.deficiencies] == [text]
    letters = mails(found.view)
    assert letters
    for letter in letters:
        assert text in " ".join(letter.text.split())


def test_A10_B1_B2_C2_what_fits_is_accepted_issued_and_delivered(
    changed: Path, authority: Authority, ca_keys: Mapping[str, SigningKey], linter: Linter
) -> None:
    profiles, name = load_profiles(changed), "å" * 60
    fields = {"language": "en", "validity_days": 365}
    found = judged(profiles, fields, "ec-p384", with_registered_name(name))
    assert found.accepted is not None
    issued = Issuer(authority, linter).issued(profiles, found.accepted, ca_keys)
    assert issued.profile_version == profiles["server"].version
    certificate = x509.load_der_x509_certificate(b64decode(issued.certificate))
    assert [it.value for it in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [name]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 364
    letters = mails(issued)
    assert letters
    for letter in letters:
        assert issued.fingerprint[:8].upper() in letter.text.upper().replace(":", "").replace(" ", "")


def test_the_refused_change_is_refused_in_the_pages_words() -> None:
    (refused,), before = shown("toml", "server", "refused"), lines("before")[1]
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
