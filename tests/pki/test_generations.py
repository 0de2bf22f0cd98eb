"""Two generations of a CA side by side: each signs, revokes and lists its own (B5, D7)."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from crls import build_crl
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from pki.conftest import CEREMONY
from servicecert_pki.authority import Authority, AuthorityDamaged, AuthorityMissing
from servicecert_pki.ceremony import activate, install, make_roots, next_ids, offline_folder, request_cas, sign_requests
from servicecert_pki.certificate import Contents, build_tbs, sign_tbs
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.keyring import PemStore, open_keys
from servicecert_pki.keys import SigningKey
from servicecert_pki.manifest import read_manifest, write_manifest
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import Profiles
from servicecert_pki.spki import KeyFamily

Passphrases = Mapping[Environment, bytes]

MADE = CEREMONY + timedelta(days=1)
SWITCH = CEREMONY + timedelta(days=30)
KIND = (Environment.PRODUCTION, KeyFamily.EC)


@dataclass(frozen=True)
class TwoGenerations:
    authority: Authority
    keys: Mapping[str, SigningKey]


@pytest.fixture(scope="module")
def two(
    authority: Authority, profiles: Profiles, passphrases: Passphrases, tmp_path_factory: pytest.TempPathFactory
) -> TwoGenerations:
    """The session's authority with production-ec-2, which issues from SWITCH."""
    folder = tmp_path_factory.mktemp("generations")
    directory, offline = folder / "ca", folder / "offline"
    shutil.copytree(authority.directory, directory)
    shutil.copytree(offline_folder(authority.directory), offline)
    (id,) = next_ids(directory, [KIND])
    request_cas(directory, [id], PemStore(directory, passphrases))
    sign_requests(offline, [directory / "requests" / f"{id}.csr"], passphrases, profiles, MADE)
    install(directory, [offline / "issued" / f"{id}.pem"], MADE)
    activate(directory, id, SWITCH, MADE)
    loaded = Authority.load(directory)
    return TwoGenerations(loaded, open_keys(loaded, passphrases))


def test_B5_the_newest_generation_whose_date_has_come_issues(two: TwoGenerations) -> None:
    at = {
        moment: two.authority.issuer_for(*KIND, moment).id
        for moment in (CEREMONY, SWITCH - timedelta(seconds=1), SWITCH, SWITCH + timedelta(days=900))
    }
    assert list(at.values()) == ["production-ec", "production-ec", "production-ec-2", "production-ec-2"]
    assert two.authority.issuer_for(Environment.TEST, KeyFamily.EC, SWITCH).id == "test-ec"


def test_B5_before_the_first_generation_s_date_nobody_issues(two: TwoGenerations) -> None:
    with pytest.raises(AuthorityMissing, match="no active issuing CA production-ec"):
        two.authority.issuer_for(*KIND, CEREMONY - timedelta(seconds=1))


def test_B5_a_generation_whose_date_lies_ahead_is_known_before_it_issues(two: TwoGenerations) -> None:
    ahead = two.authority.activated_after
    assert [issuer.id for issuer in ahead(SWITCH - timedelta(seconds=1))] == ["production-ec-2"]
    assert ahead(SWITCH) == ()


def test_B5_D7_an_old_generation_s_certificate_is_revoked_on_its_own_crl_after_the_switch(
    two: TwoGenerations,
    make_contents: Callable[..., Contents],
    openssl: Callable[..., CompletedProcess[bytes]],
    tmp_path: Path,
) -> None:
    chains = b""
    for id in ("production-ec", "production-ec-2"):
        issuer, key = two.authority.issuer(id), two.keys[id]
        contents = make_contents("server", KeyFamily.EC, issuer=issuer, not_before=MADE)
        certificate = sign_tbs(build_tbs(contents), key)
        entries = [entry_der(contents.serial, SWITCH, Reason.KEY_COMPROMISE)] if id == "production-ec" else []
        crl = build_crl(key, issuer, SWITCH, SWITCH + timedelta(days=3), entries, 9)
        (tmp_path / f"{id}.pem").write_bytes(load_der_x509_certificate(certificate).public_bytes(Encoding.PEM))
        (tmp_path / f"{id}.crl").write_bytes(crl)
        chains += load_der_x509_certificate(issuer.certificate_der).public_bytes(Encoding.PEM)
        root = load_der_x509_certificate(issuer.root_der).public_bytes(Encoding.PEM)
    (tmp_path / "chain").write_bytes(chains)
    (tmp_path / "root").write_bytes(root)

    def verified(id: str) -> CompletedProcess[bytes]:
        moment = str(int((SWITCH + timedelta(hours=1)).timestamp()))
        crls = ("-crl_check", "-CRLfile", tmp_path / f"{id}.crl")
        trust = ("-CAfile", tmp_path / "root", "-untrusted", tmp_path / "chain", "-attime", moment)
        return openssl("verify", "-x509_strict", *crls, *trust, tmp_path / f"{id}.pem", check=False)

    assert b"certificate revoked" in verified("production-ec").stderr
    assert verified("production-ec-2").returncode == 0


def test_I11_a_key_or_a_name_that_two_cas_share_is_refused(two: TwoGenerations, tmp_path: Path) -> None:
    directory = shutil.copytree(two.authority.directory, tmp_path / "ca")
    manifest = read_manifest(directory)
    (second,) = [entry for entry in manifest.issuing if entry.id == "production-ec-2"]
    shared = second.model_copy(update={"certificate": "issuing/production-ec.pem"})
    others = tuple(entry for entry in manifest.issuing if entry is not second)
    write_manifest(directory, manifest.model_copy(update={"issuing": (*others, shared)}))
    with pytest.raises(AuthorityDamaged, match="the same name or the same key"):
        Authority.load(directory)


def test_I11_production_and_test_never_share_a_root(two: TwoGenerations, tmp_path: Path) -> None:
    directory = shutil.copytree(two.authority.directory, tmp_path / "ca")
    manifest = read_manifest(directory)
    (entry,) = [entry for entry in manifest.issuing if entry.id == "production-ec-2"]
    mixed = entry.model_copy(update={"id": "test-ec-2", "environment": Environment.TEST})
    others = tuple(it for it in manifest.issuing if it is not entry)
    write_manifest(directory, manifest.model_copy(update={"issuing": (*others, mixed)}))
    with pytest.raises(AuthorityDamaged, match="production and test have a root in common"):
        Authority.load(directory)


def test_F3_a_ceremony_s_ca_holds_production_keys_and_one_for_trials_does_not(
    two: TwoGenerations, profiles: Profiles, passphrases: Passphrases, tmp_path: Path
) -> None:
    """The mark is in the certificates: nobody can change a file so that a ceremony's CA looks like one for trials."""
    assert not two.authority.holds_production_keys
    directory, offline = tmp_path / "ca", tmp_path / "roots"
    make_roots(offline, passphrases, CEREMONY)
    request_cas(directory, ["test-ec", "production-ec"], PemStore(directory, passphrases))
    for id, holds in (("test-ec", False), ("production-ec", True)):
        sign_requests(offline, [directory / "requests" / f"{id}.csr"], passphrases, profiles, CEREMONY)
        install(directory, [offline / "issued" / f"{id}.pem"], CEREMONY)
        assert Authority.load(directory).holds_production_keys is holds
    issued = two.authority.directory / "issuing" / "production-ec.pem"
    shutil.copy(issued, directory / "issuing" / "production-ec.pem")
    with pytest.raises(AuthorityDamaged, match="is not signed by"):
        Authority.load(directory)
