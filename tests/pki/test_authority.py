import json
import shutil
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pki.conftest import CEREMONY
from servicecert_pki.authority import Authority, AuthorityDamaged, AuthorityExists, AuthorityMissing, AuthorityRefused
from servicecert_pki.ceremony import make_authority, make_roots, offline_folder
from servicecert_pki.keyring import PemStore, open_keys
from servicecert_pki.keys import KeyRefused, KeyUnavailable
from servicecert_pki.manifest import PemPlace
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import Profiles
from servicecert_pki.software_key import ROUNDS, open_key, rounds_of
from servicecert_pki.spki import KeyFamily

Run = Callable[..., CompletedProcess[bytes]]

NOW = datetime(2028, 2, 29, 12, 0, tzinfo=UTC)


@pytest.fixture
def copy(authority: Authority, tmp_path: Path) -> Path:
    shutil.copytree(offline_folder(authority.directory), tmp_path / "copy.offline")
    return shutil.copytree(authority.directory, tmp_path / "copy")


def test_B6_what_a_ceremony_did_is_told_to_the_audit(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "2026-11-24T120000Z-activate.txt").write_bytes(b"who, when, what")
    audited = replace(authority, directory=tmp_path).audited
    assert audited["keys"] == authority.fingerprints
    assert audited["issues_from"] == authority.active_from
    assert audited["protocols"] == {"2026-11-24T120000Z-activate.txt": sha256(b"who, when, what").hexdigest()}


def certificate(authority: Authority, folder: str, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((authority.directory / folder / f"{name}.pem").read_bytes())


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize("family", KeyFamily)
def test_each_environment_and_family_has_an_issuing_ca_of_path_length_zero_under_its_root(
    authority: Authority, profiles: Profiles, environment: Environment, family: KeyFamily
) -> None:
    issuer = authority.issuer_for(environment, family, CEREMONY)
    issuing = certificate(authority, "issuing", f"{environment}-{family}")
    root = certificate(authority, "roots", f"{environment}-root-{family}")
    issuing.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    for ca, path_length in ((issuing, 0), (root, None)):
        assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
            ca=True, path_length=path_length
        )
        key = ca.public_key()
        if family is KeyFamily.RSA:
            assert isinstance(key, rsa.RSAPublicKey)
            assert key.key_size == 4096
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert key.curve.name == "secp384r1"
    policies = issuing.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert tuple(it.policy_identifier.dotted_string for it in policies) == profiles.policies(environment)
    assert issuer.public_key == issuing.public_key()
    assert issuer.key_id == x509.SubjectKeyIdentifier.from_public_key(issuing.public_key()).digest


def test_I11_production_and_test_share_no_key_and_no_name(authority: Authority) -> None:
    folders = ("roots", "issuing")
    paths = [path for folder in folders for path in (authority.directory / folder).iterdir()]
    all_of_them = [x509.load_pem_x509_certificate(path.read_bytes()) for path in paths]
    key_ids = {x509.SubjectKeyIdentifier.from_public_key(it.public_key()).digest for it in all_of_them}
    assert len({it.subject for it in all_of_them}) == len(key_ids) == 8
    assert all("Demonstration" in it.subject.rfc4514_string() for it in all_of_them)


def test_I10_keys_are_encrypted_and_readable_by_their_owner_only(
    authority: Authority, passphrases: Mapping[Environment, bytes]
) -> None:
    keys = authority.directory / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    for path in keys.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    everything = b"".join(path.read_bytes() for path in authority.directory.rglob("*") if path.is_file())
    assert not any(passphrase in everything for passphrase in passphrases.values())


def test_I11_a_production_key_does_not_open_with_the_test_passphrase(
    authority: Authority, passphrases: Mapping[Environment, bytes]
) -> None:
    with pytest.raises(KeyUnavailable, match=r"does not open the key file .*production-rsa"):
        open_keys(authority, dict.fromkeys(Environment, passphrases[Environment.TEST]))


def test_certificates_load_without_any_key(copy: Path, passphrases: Mapping[Environment, bytes]) -> None:
    shutil.rmtree(copy / "keys")
    loaded = Authority.load(copy)
    assert set(loaded.issuers) == {"production-rsa", "production-ec", "test-rsa", "test-ec"}
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        open_keys(loaded, passphrases)


def test_a_key_of_another_certificate_is_refused(
    copy: Path, authority: Authority, passphrases: Mapping[Environment, bytes]
) -> None:
    shutil.copy(offline_folder(copy) / "keys/test-root-ec.pem", copy / "keys/test-ec.pem")
    with pytest.raises(KeyUnavailable, match=r"The key of test-ec .* belongs to another certificate"):
        open_keys(Authority.load(copy), passphrases)


def test_an_authority_that_was_never_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(AuthorityMissing, match=r"There is no CA in .*servicecert ca init"):
        Authority.load(tmp_path)


def test_an_unknown_issuer_is_one_sentence(authority: Authority) -> None:
    with pytest.raises(AuthorityMissing, match="has no issuing CA production-dsa"):
        authority.issuer("production-dsa")


def test_nothing_overwrites_an_authority(
    copy: Path, profiles: Profiles, passphrases: Mapping[Environment, bytes]
) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(AuthorityExists, match="There is a CA in"):
        make_authority(copy, passphrases, profiles, NOW)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_two_runs_at_once_make_one_authority_and_an_interrupted_one_is_repeated(
    copy: Path, profiles: Profiles, passphrases: Mapping[Environment, bytes]
) -> None:
    (copy / "authority.json").unlink()
    (copy / "keys/test-ec.partial").write_bytes(b"half a k")

    def run() -> Authority | AuthorityExists:
        try:
            make_authority(copy, passphrases, profiles, NOW)
            return Authority.load(copy)
        except AuthorityExists as exists:
            return exists

    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in [pool.submit(run) for _ in range(2)]]
    assert sorted(type(it).__name__ for it in outcomes) == ["Authority", "AuthorityExists"]
    made = Authority.load(copy)
    keys = open_keys(made, passphrases)
    assert {id: key.public_key() for id, key in keys.items()} == {
        id: issuer.public_key for id, issuer in made.issuers.items()
    }


@pytest.mark.parametrize(
    ("passphrases", "sentence"),
    [
        ({Environment.TEST: b"t"}, "Give a passphrase for the production keys"),
        ({Environment.TEST: b"t", Environment.PRODUCTION: b""}, "Give a passphrase for the production keys"),
        ({Environment.TEST: b"t", Environment.PRODUCTION: b"t"}, "different passphrases"),
    ],
)
def test_I11_passphrases_are_given_and_different(
    tmp_path: Path, profiles: Profiles, passphrases: Mapping[Environment, bytes], sentence: str
) -> None:
    with pytest.raises(AuthorityRefused, match=sentence):
        make_authority(tmp_path / "ca", passphrases, profiles, NOW)
    assert not (tmp_path / "ca").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, profiles: Profiles, passphrases: Mapping[Environment, bytes]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuthorityRefused, match=r"No CA can be written to .*Not a directory"):
        make_authority(tmp_path / "file" / "ca", passphrases, profiles, NOW)


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("{", "is damaged: the file: Invalid JSON"),
        ("[]", "is damaged: the file"),
        ('{"version": 1}', "is damaged: version: Input should be 2"),
        ('{"version": 2, "made": "2026-11-24T09:00:00Z"}', "is damaged: issuing: Field required"),
        ('{"version": 2, "made": "2026-11-24T09:00:00Z", "issuing": [{}]}', r"issuing\.0\.id: Field required"),
    ],
)
def test_a_manifest_that_is_none_is_one_sentence(copy: Path, manifest: str, sentence: str) -> None:
    (copy / "authority.json").write_text(manifest)
    with pytest.raises(AuthorityDamaged, match=sentence):
        Authority.load(copy)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("certificate", "issuing/test-ec.pem", "is not signed by"),
        ("certificate", "issuing/none.pem", "none.pem is missing"),
        ("certificate", "authority.json", "is damaged"),
        ("certificate", "issuing/folder.pem", "cannot be read: .*folder.pem"),
        ("id", "production-ec", "which is not production-ec's"),
        ("environment", "staging", "Input should be 'production' or 'test'"),
    ],
)
def test_files_that_do_not_belong_together_are_one_sentence(copy: Path, field: str, value: str, sentence: str) -> None:
    (copy / "issuing/folder.pem").mkdir()
    manifest = json.loads((copy / "authority.json").read_text())
    manifest["issuing"][0][field] = value
    (copy / "authority.json").write_text(json.dumps(manifest))
    with pytest.raises(AuthorityDamaged, match=sentence):
        Authority.load(copy)


def test_B5_keys_of_a_ceremony_are_encrypted_with_600_000_rounds_and_openssl_reads_them(
    passphrases: Mapping[Environment, bytes], openssl: Run, tmp_path: Path
) -> None:
    _, place = PemStore(tmp_path, passphrases).make("production-ec")
    assert isinstance(place, PemPlace)
    path = tmp_path / place.file
    assert rounds_of(path.read_bytes()) == ROUNDS == 600_000
    word = passphrases[Environment.PRODUCTION]
    (tmp_path / "word").write_bytes(word)
    read = openssl("pkey", "-in", path, "-passin", f"file:{tmp_path / 'word'}", "-pubout")
    opened = open_key(path, word).public_key()
    assert read.stdout == opened.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyRefused, match="does not open the key file"):
        open_key(path, word + b".")


def test_B5_the_rounds_of_a_file_made_earlier_or_elsewhere_are_told(
    authority: Authority, passphrases: Mapping[Environment, bytes], openssl: Run, tmp_path: Path
) -> None:
    file, word = authority.directory / "keys" / "test-ec.pem", tmp_path / "word"
    secret = passphrases[Environment.TEST]
    # OpenSSL takes the old passphrase from the first line and the new one from the second.
    word.write_bytes(secret + b"\n" + secret + b"\n")
    assert rounds_of(file.read_bytes()) == 2048
    known = ("pkcs8", "-topk8", "-in", file, "-passin", f"file:{word}", "-passout", f"file:{word}")
    assert rounds_of(openssl(*known, "-v2", "aes-256-cbc", "-iter", "700000").stdout) == 700_000
    by_scrypt = openssl(*known, "-scrypt").stdout
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_bytes(by_scrypt)
    assert rounds_of(by_scrypt) is None
    assert open_key(tmp_path / "key", secret).public_key() == authority.issuer("test-ec").public_key
    assert rounds_of(b"no key") is None


@pytest.mark.parametrize("weak", [b"fifteen letters", b"aaaaaaaaaaaaaaaaaaaaaaaa", b"1234567123456712345671234567"])
def test_B5_a_ceremony_takes_no_weak_passphrase(tmp_path: Path, weak: bytes) -> None:
    passphrases = {Environment.PRODUCTION: weak, Environment.TEST: b"the test passphrase"}
    with pytest.raises(AuthorityRefused, match="passphrase of the production keys is too weak: take 16 characters"):
        make_roots(tmp_path / "roots", passphrases, NOW)
    with pytest.raises(KeyUnavailable, match="passphrase of the production keys is too weak"):
        PemStore(tmp_path / "ca", passphrases).make("production-ec")
    assert not list(tmp_path.iterdir())
