"""One test suite for all kinds of CA keys (B5): keys in files and keys in tokens behave alike."""

import os
import pickle
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pkcs11
import pytest
from crls import build_crl, check_crl
from cryptography.exceptions import InvalidSignature
from pki.conftest import CEREMONY, PASSPHRASES
from servicecert_launcher import SoftHsm
from servicecert_launcher.softhsm import find_library
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import install, offline_folder, request_cas, sign_requests
from servicecert_pki.keyring import KeyStore, PemStore, TokenAccess, TokenStore, open_keys
from servicecert_pki.keys import KeyRefused, KeyUnavailable, SigningKey, family_of_key, verify_signature
from servicecert_pki.manifest import PemPlace, TokenPlace
from servicecert_pki.pkcs11_module import load_module
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import Profiles
from servicecert_pki.spki import KeyFamily
from servicecert_pki.token_key import Token, TokenKey, generate_in_token, open_token_key

SECRETS = PASSPHRASES
IDS = ("production-rsa", "production-ec", "test-ec")


@dataclass(frozen=True)
class Backend:
    """An authority with one kind of keys. `hidden` is the folder that holds the production keys."""

    authority: Authority
    secrets: Path
    hidden: Path
    tokens: TokenAccess | None = None
    waits: bool = False

    def open(self, **changes: object) -> Mapping[str, SigningKey]:
        changed = replace(self, **changes)
        pairs = dict(line.split(b"=", 1) for line in changed.secrets.read_bytes().splitlines())
        passphrases = {environment: pairs[environment.encode()] for environment in Environment}
        tokens = changed.tokens and replace(changed.tokens, pin_file=changed.secrets)
        return open_keys(changed.authority, passphrases, tokens, waits=changed.waits)


def write_secrets(path: Path, secrets: Mapping[Environment, bytes]) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(b"".join(b"%b=%b\n" % (name.encode(), secret) for name, secret in secrets.items()))
    return path


@pytest.fixture(scope="session", params=["pem", "pkcs11"])
def backend(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    profiles: Profiles,
    authority: Authority,
) -> Backend:
    folder = tmp_path_factory.mktemp(request.param)
    secrets = write_secrets(folder / "secrets", SECRETS)
    store: KeyStore = PemStore(folder / "ca", SECRETS)
    tokens, hidden = None, folder / "ca" / "keys"
    if request.param == "pkcs11":
        hsm: SoftHsm = request.getfixturevalue("hsm")
        hidden = hsm.add_token("servicecert-production", SECRETS[Environment.PRODUCTION].decode(), "officer 1")
        hsm.add_token("servicecert-test", SECRETS[Environment.TEST].decode(), "officer 2")
        tokens = TokenAccess(hsm.module, secrets)
        store = TokenStore(tokens)
    offline = shutil.copytree(offline_folder(authority.directory) / "keys", folder / "offline" / "keys").parent
    shutil.copytree(offline_folder(authority.directory) / "roots", offline / "roots")
    request_cas(folder / "ca", IDS, store)
    requests = [folder / "ca" / "requests" / f"{id}.csr" for id in IDS]
    sign_requests(offline, requests, SECRETS, profiles, CEREMONY)
    install(folder / "ca", [offline / "issued" / f"{id}.pem" for id in IDS], CEREMONY)
    return Backend(Authority.load(folder / "ca"), secrets, hidden, tokens)


@pytest.fixture(scope="session")
def keys(backend: Backend) -> Mapping[str, SigningKey]:
    return backend.open()


@pytest.mark.parametrize("id", IDS)
def test_B5_a_key_signs_in_parts_what_verifies_whole(keys: Mapping[str, SigningKey], id: str) -> None:
    key = keys[id]
    assert key.family is KeyFamily(id.partition("-")[2]) is family_of_key(key.public_key())
    verify_signature(key.public_key(), key.sign(b"to ", b"be ", b"signed"), b"to be signed")
    with pytest.raises(InvalidSignature):
        verify_signature(key.public_key(), key.sign(b"to be"), b"to be signed")


def test_B5_keys_sign_in_several_threads_at_once(keys: Mapping[str, SigningKey]) -> None:
    together = threading.Barrier(4)

    def sign(number: int) -> None:
        key = keys[IDS[number % 3]]
        together.wait()
        for turn in range(10):
            verify_signature(key.public_key(), key.sign(b"%d" % number, b"%d" % turn), b"%d%d" % (number, turn))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sign, range(4)))


def test_B5_a_crl_of_many_parts_is_signed_whole(backend: Backend, keys: Mapping[str, SigningKey]) -> None:
    issuer = backend.authority.issuer("production-ec")
    crl = build_crl(keys[issuer.id], issuer, CEREMONY, CEREMONY + timedelta(days=3), [], 7)
    check_crl(crl, issuer, 7, [])
    parts = [os.urandom(1 << 16) for _ in range(64)]
    verify_signature(issuer.public_key, keys[issuer.id].sign(*parts), b"".join(parts))


def test_B5_a_wrong_secret_is_one_sentence_that_tells_nothing_of_it(backend: Backend, tmp_path: Path) -> None:
    wrong = write_secrets(tmp_path / "wrong", dict.fromkeys(Environment, b"never that one"))
    forget_logins(backend)
    with pytest.raises(KeyUnavailable, match=r"The (passphrase|PIN) does not open the (key file|token) ") as refused:
        backend.open(secrets=wrong)
    assert "never that one" not in str(refused.value)
    assert refused.value.__suppress_context__
    assert refused.value.exit_code == 78, "no supervisor starts it again"
    log_in(backend)


def test_I11_the_test_secret_opens_no_production_key(backend: Backend, tmp_path: Path) -> None:
    swapped = {Environment.PRODUCTION: SECRETS[Environment.TEST], Environment.TEST: SECRETS[Environment.PRODUCTION]}
    forget_logins(backend)
    with pytest.raises(KeyUnavailable, match="production"):
        backend.open(secrets=write_secrets(tmp_path / "swapped", swapped))
    log_in(backend)


def forget_logins(backend: Backend) -> None:
    """A token asks for no PIN while this process is logged in; log out, so that it does, as in a new process."""
    if backend.tokens:
        module = backend.tokens.token("servicecert-production", Environment.PRODUCTION)._module
        module.reinitialise(module.epoch)


def log_in(backend: Backend) -> None:
    """Let the tokens forget a wrong PIN, as `servicecert ca login` does."""
    for environment in Environment if backend.tokens else ():
        assert backend.tokens
        backend.tokens.token(f"servicecert-{environment}", environment, insists=True).login()


def test_B5_a_missing_key_is_one_sentence(backend: Backend) -> None:
    location = (
        TokenPlace(token="servicecert-test", label="nowhere") if backend.tokens else PemPlace(file="keys/nowhere.pem")
    )
    missing = replace(backend.authority, places={**backend.authority.places, "test-ec": location})
    with pytest.raises(KeyUnavailable, match=r"cannot be read|does not hold that key"):
        backend.open(authority=missing)


def test_B5_the_key_of_another_certificate_is_refused(backend: Backend) -> None:
    places = {**backend.authority.places, "production-ec": backend.authority.places["production-rsa"]}
    with pytest.raises(KeyUnavailable, match=r"The key of production-ec .* belongs to another certificate"):
        backend.open(authority=replace(backend.authority, places=places))


def test_B5_without_its_settings_a_key_is_not_opened(backend: Backend) -> None:
    with pytest.raises(KeyUnavailable, match=r"SERVICECERT_CA_PASSPHRASE_FILE|SERVICECERT_PKCS11_PIN_FILE"):
        open_keys(backend.authority, None)


def test_B5_keys_that_go_away_and_come_back_need_no_restart(backend: Backend, tmp_path: Path) -> None:
    away = tmp_path / "away"
    backend.hidden.rename(away)
    try:
        with pytest.raises(KeyUnavailable, match=r"cannot be read|There is no token servicecert-production"):
            backend.open()
    finally:
        away.rename(backend.hidden)
    verify(backend.open()["production-ec"])


@pytest.mark.parametrize("backend", ["pkcs11"], indirect=True)
def test_B5_a_service_that_starts_without_one_of_its_tokens_signs_with_the_others(
    backend: Backend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = tmp_path / "away"
    backend.hidden.rename(away)
    try:
        keys = backend.open(waits=True)
        verify(keys["test-ec"])
        assert "The key of production-ec is unavailable" in caplog.text
        with pytest.raises(KeyUnavailable, match="There is no token servicecert-production"):
            keys["production-ec"].sign(b"a")
    finally:
        away.rename(backend.hidden)
    key = keys["production-ec"]
    assert isinstance(key, TokenKey)
    key._token._retry_after = 0.0
    verify(key)


@pytest.mark.parametrize("backend", ["pkcs11"], indirect=True)
def test_B5_a_service_does_not_start_without_any_of_its_tokens(backend: Backend) -> None:
    places = {id: TokenPlace(token="elsewhere", label=id) for id in backend.authority.places}
    with pytest.raises(KeyUnavailable, match="There is no token elsewhere"):
        backend.open(authority=replace(backend.authority, places=places), waits=True)


def test_B5_a_slot_with_a_fault_hides_no_other_token(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    hsm.add_token("beside", "123456", "officer")
    module = load_module(hsm.module)
    module.reinitialise(module.epoch)

    class Faulty:
        def get_token(self) -> pkcs11.Token:
            raise pkcs11.DeviceError

    class Slots:
        def get_slots(self) -> list[object]:
            return [Faulty(), *slots]

    slots = module.cryptoki.get_slots()
    monkeypatch.setattr(module, "cryptoki", Slots())
    assert module.token("beside").label == "beside"
    with pytest.raises(pkcs11.NoSuchToken):
        module.token("nowhere")


def test_I10_a_process_with_open_keys_leaves_no_core_dump(keys: Mapping[str, SigningKey]) -> None:
    assert keys
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def verify(key: SigningKey) -> None:
    verify_signature(key.public_key(), key.sign(b"here"), b"here")


def test_I10_a_key_shows_nothing_of_itself_and_does_not_travel(keys: Mapping[str, SigningKey]) -> None:
    for id, key in keys.items():
        shown = repr(key)
        assert id not in shown
        assert "PrivateKey" not in shown
        assert not any(secret.decode() in shown for secret in SECRETS.values())
        with pytest.raises(TypeError):
            pickle.dumps(key)


@pytest.fixture
def make_token(hsm: SoftHsm, tmp_path: Path) -> Callable[..., tuple[Token, Path]]:
    """Return a factory of a new token and its folder. An absent token is retried without delay."""

    def make(label: str, pin: bytes = b"123456", patience: float = 0.0) -> tuple[Token, Path]:
        folder = hsm.add_token(label, "123456", "officer")
        file = write_secrets(tmp_path / label, dict.fromkeys(Environment, pin))
        module = TokenAccess(hsm.module, file).token(label, Environment.TEST)._module
        return Token(module, label, lambda: file.read_bytes().split(b"=")[-1].strip(), patience), folder

    return make


def test_B5_an_open_key_outlives_its_token_s_absence(
    make_token: Callable[..., tuple[Token, Path]], tmp_path: Path
) -> None:
    token, folder = make_token("absent")
    key = generate_in_token(token, "ca", KeyFamily.EC)
    other = generate_in_token(make_token("present")[0], "ca", KeyFamily.EC)
    folder.rename(tmp_path / "gone")
    with pytest.raises(KeyUnavailable, match="There is no token absent: connect it"):
        key.sign(b"a")
    verify(other)
    (tmp_path / "gone").rename(folder)
    verify(key)


def test_B5_a_token_that_is_away_is_not_looked_for_at_every_signature(
    make_token: Callable[..., tuple[Token, Path]], tmp_path: Path
) -> None:
    token, folder = make_token("seldom", patience=3600.0)
    key = generate_in_token(token, "ca", KeyFamily.EC)
    folder.rename(tmp_path / "seldom-gone")
    with pytest.raises(KeyUnavailable):
        key.sign(b"a")
    epoch = token._module.epoch
    with pytest.raises(KeyUnavailable):
        key.sign(b"a")
    assert token._module.epoch == epoch


def test_B5_a_library_that_was_finalised_behind_our_back_is_begun_anew(
    make_token: Callable[..., tuple[Token, Path]],
) -> None:
    token, _ = make_token("finalised")
    key = generate_in_token(token, "ca", KeyFamily.EC)
    token._module._functions.C_Finalize(None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(verify, [key] * 8))


def test_B5_a_refused_pin_is_not_tried_until_the_token_locks_itself(
    make_token: Callable[..., tuple[Token, Path]], tmp_path: Path
) -> None:
    token, _ = make_token("wrong-pin", b"wrong")
    for _ in range(20):
        with pytest.raises(KeyUnavailable, match="PIN does not open the token wrong-pin"):
            open_token_key(token, "ca")
    write_secrets(tmp_path / "wrong-pin", dict.fromkeys(Environment, b"123456"))
    verify(generate_in_token(token, "ca", KeyFamily.EC))


def test_B5_I10_a_pin_that_is_no_text_is_refused_in_a_sentence_without_it(
    make_token: Callable[..., tuple[Token, Path]],
) -> None:
    token, _ = make_token("no-text", b"12\xff456")
    with pytest.raises(KeyRefused, match=r"^The PIN of the token no-text is no text in UTF-8") as refused:
        token.login()
    assert refused.value.__cause__ is None


def test_B5_a_pin_that_was_refused_is_not_tried_by_the_next_process_either(
    make_token: Callable[..., tuple[Token, Path]], tmp_path: Path
) -> None:
    """The token remembers: restarts do not lock it, and the right PIN in a hasty file neither."""
    token, _ = make_token("restarts", b"wrong")
    with pytest.raises(KeyRefused, match="PIN does not open the token restarts"):
        token.login()
    restarted = again(token)
    for _ in range(20):
        with pytest.raises(KeyRefused, match=r"refused a PIN, and no right one was given since.*servicecert ca login"):
            restarted.login()
    write_secrets(tmp_path / "restarts", dict.fromkeys(Environment, b"123456"))
    with pytest.raises(KeyRefused, match="servicecert ca login"):
        restarted.login()
    again(token, insists=True).login()
    restarted._module.reinitialise(restarted._module.epoch)
    restarted.login()
    # A process that was logged in logs in again, whoever tried a wrong PIN since.
    write_secrets(tmp_path / "restarts", dict.fromkeys(Environment, b"wrong"))
    restarted._module.reinitialise(restarted._module.epoch)
    with pytest.raises(KeyRefused):
        again(token).login()
    write_secrets(tmp_path / "restarts", dict.fromkeys(Environment, b"123456"))
    restarted.login()


def test_B5_I11_a_wrong_pin_opens_no_token_at_which_the_process_is_logged_in(
    make_token: Callable[..., tuple[Token, Path]],
) -> None:
    """The token itself would take any: so a manifest cannot open production's keys with the PIN of the tests."""
    token, _ = make_token("twice")
    key = generate_in_token(token, "ca", KeyFamily.EC)
    with pytest.raises(KeyRefused, match="PIN does not open the token twice"):
        open_token_key(Token(token._module, token.label, lambda: b"wrong"), "ca")
    assert open_token_key(again(token), "ca").public_key() == key.public_key()
    verify(key)


def again(token: Token, *, insists: bool = False) -> Token:
    """The token as a new process has it."""
    return Token(token._module, token.label, token._read_pin, 0.0, insists=insists)


def test_B5_nothing_overwrites_a_key_in_a_token(make_token: Callable[..., tuple[Token, Path]]) -> None:
    token, _ = make_token("taken")
    key = generate_in_token(token, "ca", KeyFamily.EC)
    with pytest.raises(KeyUnavailable, match="holds a key ca already"):
        generate_in_token(token, "ca", KeyFamily.EC)
    verify(key)


def test_I10_a_token_s_key_cannot_be_taken_out(make_token: Callable[..., tuple[Token, Path]]) -> None:
    token, _ = make_token("kept")
    generate_in_token(token, "ca", KeyFamily.EC)
    with pytest.raises(KeyUnavailable, match="AttributeSensitive"):
        token.use(lambda it: it.handle("ca")[pkcs11.Attribute.VALUE])
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_B5_a_forked_process_is_told_to_open_its_own_keys(make_token: Callable[..., tuple[Token, Path]]) -> None:
    token, _ = make_token("forked")
    key = generate_in_token(token, "ca", KeyFamily.EC)
    token._module._pid = -1
    try:
        with pytest.raises(KeyUnavailable, match="before this process was forked"):
            key.sign(b"a")
    finally:
        token._module._pid = os.getpid()


def test_a_library_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "library.so").touch()
    with pytest.raises(KeyUnavailable, match=r"cannot be loaded: .*SERVICECERT_PKCS11_MODULE"):
        TokenAccess(tmp_path / "library.so", tmp_path / "pins").token("a", Environment.TEST)


def test_a_library_that_cannot_read_its_tokens_is_one_sentence(tmp_path: Path) -> None:
    """Not the library is wrong: the folder of the tokens is, or is not this account's."""
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path / 'nowhere'}\n")
    opening = f"from pathlib import Path; load_module(Path({str(find_library())!r}))"
    command = [sys.executable, "-c", f"from servicecert_pki.pkcs11_module import load_module; {opening}"]
    ended = subprocess.run(command, env={"SOFTHSM2_CONF": str(tmp_path / "conf")}, capture_output=True, text=True)
    assert "KeyRefused: The PKCS#11 library" in ended.stderr
    assert "cannot be initialised: check its configuration and file rights." in ended.stderr
