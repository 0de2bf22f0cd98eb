"""CRLs in a bucket of S3-compatible storage (D7): its content, replacements, and what an operator sees of faults."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from crls import build_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_revoker.crl import s3_publisher
from servicecert_revoker.crl.places import NotPublished
from servicecert_revoker.settings import S3Settings
from services.revoker.bucket import Bucket, Gateway, Storage, serving
from services.revoker.conftest import NOW

CRL = "test-ec.crl"
Numbered = Callable[[int], Path]


@pytest.fixture
def storage(object_storage: Storage) -> Iterator[Storage]:
    """The session's, without the faults of the test before."""
    yield object_storage
    object_storage.gateway.heal()


@pytest.fixture
def bucket(storage: Storage, authority: Authority, tmp_path: Path) -> Bucket:
    return storage.bucket(tmp_path, authority.issuer("test-ec"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the CA that verifies it."""
    folder, name, start = tmp_path_factory.mktemp("tls"), x509.Name([]), datetime.now(UTC) - timedelta(hours=1)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA of the storage")])
    until, serial = start + timedelta(days=1), x509.random_serial_number()
    ca = (
        x509.CertificateBuilder(ca_name, ca_name, ca_key.public_key(), serial, start, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        x509.CertificateBuilder(ca_name, name, key.public_key(), serial + 1, start, until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "ca.pem"


async def failing(bucket: Bucket, made: Path, number: int = 1) -> str:
    with pytest.raises(NotPublished) as failed:
        await bucket.publisher.put(CRL, made, number, bucket.issuer)
    assert failed.value.publisher == "s3"
    text = str(failed.value)
    assert bucket.storage.secret not in text
    assert "secret of the storage" not in text
    assert "\n" not in text
    return text


async def test_D7_bucket_serves_a_crl_as_what_it_is_and_no_cache_keeps_it_long(
    bucket: Bucket, numbered: Numbered
) -> None:
    await bucket.given(crl_s3_prefix="pki/crl/").publisher.put(CRL, made := numbered(1), 1, bucket.issuer)
    assert bucket.read(f"pki/crl/{CRL}") == made.read_bytes()
    assert bucket.headers(f"pki/crl/{CRL}") == {
        "Content-Type": "application/pkix-crl",
        "Cache-Control": "public, max-age=30",
    }


async def test_D7_what_is_there_already_is_not_put_again_nor_read_twice(
    bucket: Bucket, numbered: Numbered, storage: Storage
) -> None:
    publisher, made = bucket.publisher, numbered(1)
    await publisher.put(CRL, made, 1, bucket.issuer)
    storage.gateway.answered.clear()
    await publisher.put(CRL, made, 1, bucket.issuer)
    assert storage.gateway.answered == [("GET", 304)]


async def test_I8_of_two_revokers_the_second_does_not_undo_what_the_first_put_between(
    bucket: Bucket, numbered: Numbered, storage: Storage
) -> None:
    """The stale one read number 1, slept while number 3 was put, and wakes with its number 2."""
    await bucket.publisher.put(CRL, numbered(1), 1, bucket.issuer)
    newer, stale = numbered(3), numbered(2)
    storage.gateway.before = lambda: bucket.lay(CRL, newer.read_bytes())
    assert "Another revoker changed test-ec.crl" in await failing(bucket, stale, 2)
    assert bucket.read(CRL) == newer.read_bytes()


async def test_I8_of_two_revokers_that_find_nothing_one_puts(
    bucket: Bucket, numbered: Numbered, storage: Storage
) -> None:
    first = numbered(1)
    storage.gateway.before = lambda: bucket.lay(CRL, first.read_bytes())
    assert "Another revoker changed" in await failing(bucket, numbered(2), 2)
    assert bucket.read(CRL) == first.read_bytes()


async def test_D7_what_another_program_left_there_is_replaced(bucket: Bucket, numbered: Numbered) -> None:
    bucket.lay(CRL, b"garbage")
    await bucket.publisher.put(CRL, made := numbered(1), 1, bucket.issuer)
    assert bucket.read(CRL) == made.read_bytes()


async def test_f5_what_is_longer_than_any_crl_is_not_read_and_replaced(
    bucket: Bucket, numbered: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_publisher, "MOST_BYTES", 1_000)
    bucket.lay(CRL, numbered(9).read_bytes() + bytes(1_001))
    await bucket.publisher.put(CRL, made := numbered(1), 1, bucket.issuer)
    assert bucket.read(CRL) == made.read_bytes()


async def test_f5_a_number_that_the_ca_has_not_signed_holds_nothing_up(
    bucket: Bucket, numbered: Numbered, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    """Whoever may write to the bucket, but has no key of the CA."""
    signed = numbered(2**64).read_bytes()
    others = build_crl(ca_keys["test-rsa"], authority.issuer("test-ec"), NOW, NOW + timedelta(hours=72), (), 2**70)
    for number, foreign in enumerate((signed[:-1] + bytes([signed[-1] ^ 1]), others), 1):
        bucket.lay(CRL, foreign)
        current = await bucket.publisher.current(CRL, bucket.issuer)
        assert (current and current.number) == 0
        await bucket.publisher.put(CRL, made := numbered(number), number, bucket.issuer)
        assert bucket.read(CRL) == made.read_bytes()


async def test_D7_storage_without_conditional_puts_is_named_and_can_be_used_all_the_same(
    bucket: Bucket, numbered: Numbered, storage: Storage
) -> None:
    storage.gateway.conditional, made = False, numbered(1)
    assert "set SERVICECERT_CRL_S3_CONDITIONAL=false" in await failing(bucket, made)
    unconditional = bucket.given(crl_s3_conditional=False)
    await unconditional.publisher.put(CRL, made, 1, bucket.issuer)
    await unconditional.publisher.put(CRL, newer := numbered(2), 2, bucket.issuer)
    assert bucket.read(CRL) == newer.read_bytes()
    assert "is outdated" in await failing(unconditional, made, 1)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (500, "The storage answers 500 InternalError for bucket"),
        (503, "The storage answers 503"),
        (301, "check SERVICECERT_CRL_S3_REGION"),
        (401, "check SERVICECERT_CRL_S3_ACCESS_KEY_ID"),
    ],
)
async def test_D7_fault_of_the_storage_is_a_sentence_and_passes(
    bucket: Bucket, numbered: Numbered, storage: Storage, fault: int, sentence: str
) -> None:
    await bucket.publisher.put(CRL, old := numbered(1), 1, bucket.issuer)
    storage.gateway.fault, newer = fault, numbered(2)
    assert sentence in await failing(bucket, newer, 2)
    storage.gateway.heal()
    assert bucket.read(CRL) == old.read_bytes()
    await bucket.publisher.put(CRL, newer, 2, bucket.issuer)
    assert bucket.read(CRL) == newer.read_bytes()


async def test_I10_wrong_key_is_a_sentence_without_the_key(bucket: Bucket, numbered: Numbered, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-secret\n")
    wrong.chmod(0o600)
    text = await failing(bucket.given(crl_s3_secret_access_key_file=wrong), numbered(1))
    assert "(403 SignatureDoesNotMatch)" in text
    assert "SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE" in text
    assert "wrong-secret" not in text
    text = await failing(bucket.given(crl_s3_access_key_id="stranger"), numbered(1))
    assert "(403 InvalidAccessKeyId)" in text
    assert bucket.read(CRL) is None


async def test_D7_endpoint_that_is_not_there_is_named(bucket: Bucket, numbered: Numbered) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
        text = await failing(bucket.given(crl_s3_endpoint=nowhere), numbered(1))
    assert text == f"No connection to bucket {bucket.name} at {nowhere}: check SERVICECERT_CRL_S3_ENDPOINT."


async def test_D7_storage_that_does_not_answer_is_not_waited_for(bucket: Bucket, numbered: Numbered) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = await failing(bucket.given(crl_s3_endpoint=endpoint, crl_s3_timeout_seconds=0.2), numbered(1))
    assert "No answer in time" in text


async def test_D7_storage_that_ends_in_the_middle_is_a_sentence(
    bucket: Bucket, numbered: Numbered, storage: Storage
) -> None:
    await bucket.publisher.put(CRL, numbered(1), 1, bucket.issuer)
    storage.gateway.ends = True
    assert "broke" in await failing(bucket, numbered(2), 2)


async def test_D7_storage_is_verified_by_the_ca_that_is_given(
    bucket: Bucket, numbered: Numbered, storage: Storage, tls: tuple[ssl.SSLContext, Path]
) -> None:
    context, ca = tls
    made = numbered(1)
    with serving(Gateway(storage.gateway.storage), context) as port:
        secure = bucket.given(crl_s3_endpoint=f"https://127.0.0.1:{port}")
        assert "set SERVICECERT_CRL_S3_CA_FILE" in await failing(secure, made)
        assert bucket.read(CRL) is None
        await secure.given(crl_s3_ca_file=ca).publisher.put(CRL, made, 1, bucket.issuer)
    assert bucket.read(CRL) == made.read_bytes()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"crl_s3_bucket": None}, "belong together"),
        ({"crl_s3_endpoint": None}, "belong together"),
        ({"crl_s3_endpoint": "s3.example.fi"}, "such as https://s3.example.fi"),
        ({"crl_s3_endpoint": "https://user:word@s3.example.fi"}, "such as https://s3.example.fi"),
        ({"crl_s3_bucket": "CRLs"}, "lower-case letters"),
        ({"crl_s3_prefix": "crl"}, "a slash at its end"),
        ({"crl_s3_secret_access_key_file": Path("/nowhere")}, "SECRET_ACCESS_KEY_FILE: /nowhere cannot be read"),
        ({"crl_s3_ca_file": Path(__file__)}, "holds no certificate"),
    ],
)
def test_D7_settings_that_do_not_fit_are_named(bucket: Bucket, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        bucket.given(**changed)


def test_D7_without_an_endpoint_there_is_no_bucket() -> None:
    assert S3Settings().s3_publisher is None
