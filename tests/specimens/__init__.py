"""A specimen of every certificate that the service can issue, with chains and CRLs, for linters and verifiers.

certificates/<type>[-<usages>]-<key>-<ca>.pem and .der    ca/roots, ca/issuing
crls/<ca>.crl, <ca>.<partition>.crl, <root>.crl
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from itertools import combinations, product
from pathlib import Path

from crls import build_crl, check_crl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs, verify_certificate
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.crl import RevokedCertificate as Revoked
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import PublicKey, SigningKey
from servicecert_pki.partitions import FULL, crl_name, crl_url
from servicecert_pki.profile import Profile, Usage
from servicecert_pki.profiles import Profiles
from servicecert_pki.root_crl import root_crl_file
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import family_of
from servicecert_pki.validity import validity

_CRL_DAYS = 7

BASE = "http://crl.example.fi"
PARTITION, OTHER_PARTITION = 7, 8
"""All specimens are in the first, none in the second."""


@dataclass(frozen=True)
class Specimen:
    """A certificate and its intended contents. `name` is ``<type>-<key>-<ca>``, of a server ``<type>-<usages>-…``."""

    name: str
    contents: Contents
    certificate: bytes


def draw_keys() -> Mapping[str, bytes]:
    """Return the DER SubjectPublicKeyInfo of a new key of each allowed kind. It takes a second or two."""
    keys: dict[str, PublicKey] = {
        f"rsa{bits}": rsa.generate_private_key(65537, bits).public_key() for bits in (2048, 3072, 4096)
    }
    keys["p384"] = ec.generate_private_key(ec.SECP384R1()).public_key()
    return {name: key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for name, key in keys.items()}


def make(
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    profiles: Profiles,
    keys: Mapping[str, bytes],
    now: datetime,
) -> list[Specimen]:
    """Return a certificate of each type for each choice of usages and each key, signed by the CA of its profile."""
    specimens = []
    for profile in profiles.by_type.values():
        for usages, (name, spki) in product(choices(profile), keys.items()):
            contents = _contents(profile, authority.issuer(profile.keys[family_of(spki)].ca), usages, spki, now)
            tbs = build_tbs(contents)
            certificate = sign_tbs(tbs, ca_keys[contents.issuer.id])
            verify_certificate(certificate, tbs, contents.issuer.public_key)
            name = "-".join((profile.type_id, *sorted(usages), name, contents.issuer.family))
            specimens.append(Specimen(name, contents, certificate))
    return specimens


def choices(profile: Profile) -> list[frozenset[Usage]]:
    """Return the extended key usages that an applicant may choose: some of the profile's, or none if it has none."""
    ordered = sorted(profile.usages)
    return [
        frozenset(it) for size in range(min(1, len(ordered)), len(ordered) + 1) for it in combinations(ordered, size)
    ]


def _contents(profile: Profile, issuer: IssuerInfo, usages: frozenset[Usage], spki: bytes, now: datetime) -> Contents:
    valid = validity(profile, now)
    dns = ("kanta.example.fi", "xn--trdgrd-cuak.example.fi", "r3---sn.example.fi")
    addresses = (ip_address("192.0.2.7"), ip_address("2001:db8::7"))
    common_name = dns[0] if profile.dns_names else "Esimerkkijärjestelmä Ångström"
    return Contents(
        profile=profile,
        issuer=issuer,
        subject=Subject("Esimerkkiapteekki Oy", "Apoteket Helsingfors VI", "0204819-8", common_name),
        names=AlternativeNames(dns, addresses) if profile.dns_names else AlternativeNames(),
        usages=usages,
        spki=spki,
        serial=draw_serial(),
        not_before=valid.not_before,
        not_after=valid.not_after,
        crl_url=crl_url(BASE, issuer.id, PARTITION),
        ca_issuers_url=f"http://crl.example.fi/{issuer.id}.cer",
        ocsp_url="http://ocsp.example.fi",
    )


def make_crls(
    authority: Authority, ca_keys: Mapping[str, SigningKey], revoked: list[Specimen], now: datetime
) -> Mapping[str, bytes]:
    """Return the CRLs of each issuing CA by name: the full list, the specimens' partition, and another partition.

    They list the CA's certificates among `revoked`, and another certificate.
    """
    crls = {}
    for id, issuer in authority.issuers.items():
        serials = [it.contents.serial for it in revoked if it.contents.issuer is issuer]
        entries = [Revoked(serial, now, Reason.CESSATION_OF_OPERATION) for serial in (draw_serial(), *serials)]
        encoded = [entry_der(it.serial, it.revoked_at, it.reason) for it in entries]
        for partition in (FULL, PARTITION, OTHER_PARTITION):
            url = None if partition == FULL else crl_url(BASE, id, partition)
            crl = build_crl(ca_keys[id], issuer, now, now + timedelta(days=_CRL_DAYS), encoded, 1, url)
            check_crl(crl, issuer, 1, entries)
            crls[crl_name(id, partition)] = crl
    return crls


def root_crls(folder: Path, authority: Authority) -> Mapping[str, bytes]:
    """Return the roots' CRLs, which a ceremony stored in `folder`, by name."""
    return {crl_name(id, FULL): root_crl_file(folder, id).read_bytes() for id in authority.roots}


def write(folder: Path, authority: Authority, specimens: list[Specimen], crls: Mapping[str, bytes]) -> None:
    """Write all files: PEM and DER for the certificates, PEM for the CAs, DER for the CRLs."""
    for it in specimens:
        _write(folder / "certificates" / f"{it.name}.der", it.certificate)
        _write(folder / "certificates" / f"{it.name}.pem", pem(it.certificate))
    for id, issuer in authority.issuers.items():
        _write(folder / "ca" / "issuing" / f"{id}.pem", pem(issuer.certificate_der))
        _write(folder / "ca" / "roots" / f"{root_name(id)}.pem", pem(issuer.root_der))
    for name, crl in crls.items():
        _write(folder / "crls" / name, crl)


def root_name(issuer: str) -> str:
    """Return the file name of an issuing CA's root: ``production-root-ec`` for ``production-ec``."""
    environment, _, rest = issuer.partition("-")
    return f"{environment}-root-{rest}"


def pem(certificate: bytes) -> bytes:
    """Return a DER certificate as PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
