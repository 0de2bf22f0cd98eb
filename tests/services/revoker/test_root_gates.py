"""The gates of a root's CRL (D7). The root's own key signs each CRL, so that only one thing is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profile import Environment
from servicecert_pki.software_key import read_private_key
from servicecert_revoker.domain.crl_gates import GateFailed, check_root, days_left, read_root_crl

MADE = datetime(2026, 6, 1, tzinfo=UTC)
NOW = MADE + timedelta(days=100)
END = MADE + timedelta(days=365)


@dataclass(frozen=True)
class Root:
    """A root with its key, which signs what it is given."""

    info: IssuerInfo
    key: ec.EllipticCurvePrivateKey

    def crl(
        self,
        *extensions: tuple[x509.ExtensionType, bool],
        number: int = 2,
        name: x509.Name | None = None,
        key_id: bytes | None = None,
        critical_number: bool = False,
        revoked: tuple[int, ...] = (),
    ) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name or x509.load_der_x509_certificate(self.info.certificate_der).subject)
            .last_update(MADE)
            .next_update(END)
            .add_extension(x509.AuthorityKeyIdentifier(key_id or self.info.key_id, None, None), critical=False)
            .add_extension(x509.CRLNumber(number), critical=critical_number)
        )
        for serial in revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, MADE).build())
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA384()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def root(authority: Authority, passphrase_file: Path) -> Root:
    passphrase = read_passphrases(passphrase_file)[Environment.TEST]
    key = read_private_key(offline_folder(authority.directory) / "keys" / "test-root-ec.pem", passphrase)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Root(authority.roots["test-root-ec"], key)


STRANGER = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another root")])
OF_CAS_ALONE = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
MORE = x509.IssuerAlternativeName([x509.DNSName("root.example.fi")])

Spoilt = Callable[[Root], bytes]


def flipped(crl: bytes) -> bytes:
    """The CRL with the last bit of its signature turned."""
    return crl[:-1] + bytes([crl[-1] ^ 1])


def gate(root: Root, crl: bytes, published: bytes | None = None, now: datetime = NOW) -> str:
    with pytest.raises(GateFailed) as failed:
        check_root(crl, root.info, published, now)
    return failed.value.gate


def test_D7_right_crl_of_a_root_passes(root: Root) -> None:
    published = root.crl(number=1, revoked=(5,))
    assert check_root(root.crl(revoked=(5, 6)), root.info, published, NOW).number == 2
    assert check_root(root.crl(), root.info, None, MADE).number == 2


@pytest.mark.parametrize(
    ("stopping", "spoilt"),
    [
        ("readable", lambda root: root.crl()[:-1]),
        ("readable", lambda _: b"garbage"),
        ("signature", lambda root: flipped(root.crl())),
        ("issuer", lambda root: root.crl(name=STRANGER)),
        ("issuer", lambda root: root.crl(key_id=bytes(20))),
        ("scope", lambda root: root.crl((OF_CAS_ALONE, True))),
        ("scope", lambda root: root.crl((MORE, False))),
        ("lint", lambda root: root.crl(critical_number=True)),
    ],
)
def test_D7_what_is_not_a_roots_full_crl_is_stopped(root: Root, stopping: str, spoilt: Spoilt) -> None:
    assert gate(root, spoilt(root)) == stopping


def test_D7_another_roots_crl_is_stopped(root: Root, authority: Authority) -> None:
    crl = (authority.directory / "crls" / "production-root-ec.crl").read_bytes()
    assert gate(root, crl) == "signature"


@pytest.mark.parametrize("now", [MADE - timedelta(seconds=1), END])
def test_D7_crl_of_a_root_that_does_not_hold_now_is_stopped(root: Root, now: datetime) -> None:
    assert gate(root, root.crl(), now=now) == "times"


@pytest.mark.parametrize("published", [2, 3])
def test_I8_older_crl_of_a_root_is_stopped(root: Root, published: int) -> None:
    assert gate(root, root.crl(number=2, revoked=(5,)), root.crl(number=published)) == "number"


def test_I7_no_revoked_ca_comes_back(root: Root) -> None:
    assert gate(root, root.crl(revoked=(6,)), root.crl(number=1, revoked=(5, 6))) == "vanished"


def test_D7_what_is_published_and_cannot_be_read_is_replaced(root: Root) -> None:
    assert check_root(root.crl(), root.info, b"garbage", NOW).number == 2


def test_D7_end_of_a_roots_crl_is_told_a_month_ahead(root: Root) -> None:
    published = read_root_crl(root.crl(), root.info)
    assert days_left(published, END - timedelta(days=30)) is None
    assert days_left(published, END - timedelta(days=29, hours=1)) == 29
    assert days_left(None, NOW) == 0
