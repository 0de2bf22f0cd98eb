"""What is broken at the CA, the web servers, the mail server, and on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cli.watching.doctor.breaking import CRITICAL, UNKNOWN, WARNING, breaks
from cli.watching.doctor.installation import CA, Installation
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.watching.doctor.facts import machine
from servicecert_launcher.ports import free_port
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.ceremony_files import open_root
from servicecert_pki.root_crl import make_root_crls, root_crl_file


def changed_ca(it: Installation, patch, folder: Path) -> Path:
    """Return a copy of the CA's folder that the environment names."""
    copy = folder / "ca"
    shutil.copytree(it.ca_folder, copy)
    patch.setenv("SERVICECERT_CA_DIR", str(copy))
    return copy


@breaks("is damaged", Ca=CRITICAL)
def a_ca_is_signed_by_another_root(it, patch, folder) -> Iterator[None]:
    copy = changed_ca(it, patch, folder)
    shutil.copy(copy / "roots" / "test-root-rsa.pem", copy / "roots" / "test-root-ec.pem")
    yield


@breaks("test-ec expires on", CaValidity=CRITICAL, CaProfiles=WARNING)
def a_ca_expires_soon(it, patch, folder) -> Iterator[None]:
    copy = changed_ca(it, patch, folder)
    file, served = copy / "issuing" / f"{CA}.pem", it.crl_folder / f"{CA}.cer"
    certificate, before = renewed(it, file, timedelta(days=20)), served.read_bytes()
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    served.write_bytes(certificate.public_bytes(Encoding.DER))
    yield
    served.write_bytes(before)


@breaks("test-ec expired on", CaValidity=CRITICAL, CaProfiles=WARNING)
def a_ca_has_expired(it, patch, folder) -> Iterator[None]:
    copy = changed_ca(it, patch, folder)
    file, served = copy / "issuing" / f"{CA}.pem", it.crl_folder / f"{CA}.cer"
    certificate, before = renewed(it, file, timedelta(days=-1)), served.read_bytes()
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    served.write_bytes(certificate.public_bytes(Encoding.DER))
    yield
    served.write_bytes(before)


def renewed(it: Installation, file: Path, life: timedelta) -> x509.Certificate:
    """Return the CA's certificate, signed again by its root with another end."""
    old = x509.load_pem_x509_certificate(file.read_bytes())
    environment = it.authority.issuer(CA).environment
    _, key = open_root(offline_folder(it.ca_folder), f"{environment}-root-ec", it.passphrases[environment])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + life)
    )
    for each in old.extensions:
        builder = builder.add_extension(each.value, each.critical)
    return builder.sign(key, hashes.SHA384())


@breaks("needs the two lines", CaKeyAway=CRITICAL)
def the_passphrases_are_lost(it, patch, folder) -> Iterator[None]:
    file = folder / "passphrases"
    file.touch(mode=0o600)
    patch.setenv("SERVICECERT_CA_PASSPHRASE_FILE", str(file))
    yield


@breaks("test-root-ec.crl expires in ", RootCrlExpires=WARNING)
def a_root_s_crl_ends_soon(it, patch, folder) -> Iterator[None]:
    copy, offline = changed_ca(it, patch, folder), folder / "ca.offline"
    shutil.copytree(offline_folder(it.ca_folder), offline)
    make_root_crls(offline, it.passphrases, datetime.now(UTC), days=3)
    shutil.copy(root_crl_file(offline, "test-root-ec"), root_crl_file(copy, "test-root-ec"))
    yield


@breaks("does not answer (ClientConnectorError).", Crl=CRITICAL, Aia=CRITICAL)
def the_web_server_of_crls_is_stopped(it, *_) -> Iterator[None]:
    it.do(it.stop_crls())
    yield
    it.do(it.start_crls(urlsplit(it.crl_url).port or 0))


@breaks("answers 404.", Crl=CRITICAL)
def a_crl_is_missing(it, *_) -> Iterator[None]:
    file = it.crl_folder / f"{CA}.5.crl"
    content = file.read_bytes()
    file.unlink()
    yield
    file.write_bytes(content)


@breaks("test-root-ec.crl: answers 404.", Crl=CRITICAL)
def a_root_s_crl_is_not_served(it, *_) -> Iterator[None]:
    file = it.crl_folder / "test-root-ec.crl"
    content = file.read_bytes()
    file.unlink()
    yield
    file.write_bytes(content)


@breaks("it is no CRL.", Crl=CRITICAL)
def a_crl_is_a_page(it, *_) -> Iterator[None]:
    (it.crl_folder / f"{CA}.crl").write_text("<html>")
    yield
    it.publish_crl(CA, 0)


@breaks("test-ec.crl has expired.", Crl=CRITICAL)
def a_crl_has_expired(it, *_) -> Iterator[None]:
    it.publish_crl(CA, 0, hours=-1)
    yield
    it.publish_crl(CA, 0)


@breaks("test-ec.crl is valid for 5 h only.", Crl=CRITICAL)
def a_crl_expires_soon(it, *_) -> Iterator[None]:
    it.publish_crl(CA, 0, hours=5.01)
    yield
    it.publish_crl(CA, 0)


@breaks("test-ec.crl is not signed by its CA.", Crl=CRITICAL)
def a_crl_is_another_ca_s(it, *_) -> Iterator[None]:
    shutil.copy(it.crl_folder / "production-ec.crl", it.crl_folder / f"{CA}.crl")
    yield
    it.publish_crl(CA, 0)


@breaks("test-ec.cer is another certificate.", Aia=CRITICAL)
def another_ca_certificate_is_served(it, *_) -> Iterator[None]:
    file = it.crl_folder / f"{CA}.cer"
    content = file.read_bytes()
    shutil.copy(it.crl_folder / "production-ec.cer", file)
    yield
    file.write_bytes(content)


@breaks("does not answer (ClientConnectorError).", Ocsp=CRITICAL)
def ocsp_is_stopped(it, *_) -> Iterator[None]:
    it.do(it.stop_ocsp())
    yield
    it.do(it.start_ocsp(urlsplit(it.ocsp_url).port or 0))


@breaks("Cannot connect to the mail server", MailServer=CRITICAL)
def the_mail_server_is_stopped(it, patch, _) -> Iterator[None]:
    patch.setenv("SMTP_PORT", str(free_port()))
    yield


@breaks("does not verify", MailServer=CRITICAL)
def the_mail_server_s_certificate_is_unknown(it, patch, _) -> Iterator[None]:
    patch.delenv("SMTP_CA_FILE")
    yield


@breaks("Login refused (535)", MailLogin=CRITICAL)
def the_mail_server_refuses_the_login(it, *_) -> Iterator[None]:
    it.mail.answers["AUTH"] = "535 5.7.8 No"
    yield
    it.mail.answers["AUTH"] = "235 2.7.0 Ok"


@breaks("Old: ours.dat (100 days).", KeyListsOld=WARNING)
def the_list_of_lost_keys_is_old(it, *_) -> Iterator[None]:
    file, now = it.lists / "ours.dat", datetime.now(UTC).timestamp()
    os.utime(file, (now, now - 100 * 86_400))
    yield
    os.utime(file)


@breaks("is not a file of sorted records", KeyListsMissing=CRITICAL)
def the_list_of_lost_keys_is_damaged(it, *_) -> Iterator[None]:
    (it.lists / "ours.dat").write_bytes(b"half")
    yield
    (it.lists / "ours.dat").write_bytes(bytes(16))


@breaks("SERVICECERT_CLOCK_AHAED is not known; is SERVICECERT_CLOCK_AHEAD meant?", Variables=WARNING)
def a_variable_is_misspelt(it, patch, _) -> Iterator[None]:
    patch.setenv("SERVICECERT_CLOCK_AHAED", "P1D")
    yield


@breaks('SERVICECERT_BATCH is "0": a whole number from 1 to 500 is needed.', Settings=CRITICAL)
def a_setting_is_out_of_range(it, patch, _) -> Iterator[None]:
    patch.setenv("SERVICECERT_BATCH", "0")
    yield


@breaks("SERVICECERT_INSECURE=broker,rights", Insecure=WARNING)
def more_is_tolerated(it, patch, _) -> Iterator[None]:
    patch.setenv("SERVICECERT_INSECURE", "broker,rights")
    yield


@breaks("SERVICECERT_CLOCK_AHEAD=P1D is set.", Trials=CRITICAL)
def the_clock_runs_ahead(it, patch, _) -> Iterator[None]:
    patch.setenv("SERVICECERT_CLOCK_AHEAD", "P1D")
    yield


@breaks("SERVICECERT_PKCS11_PIN_FILE: others can read", SecretFiles=CRITICAL)
def others_can_read_a_secret(it, patch, folder) -> Iterator[None]:
    file = folder / "pins"
    file.write_text("secret")
    file.chmod(0o644)
    patch.setenv("SERVICECERT_PKCS11_PIN_FILE", str(file))
    yield


@breaks("No public key of notifier,", ServiceKeys=CRITICAL)
def a_service_s_public_key_is_missing(it, *_) -> Iterator[None]:
    file = it.keys_folder / "notifier.pub"
    content = file.read_bytes()
    file.unlink()
    yield
    file.write_bytes(content)


@breaks("The last public key ends: notifier in 6 days.", ServiceKeys=WARNING)
def a_service_s_public_key_ends_soon(it, *_) -> Iterator[None]:
    file = it.keys_folder / "notifier.pub"
    content = file.read_bytes()
    file.write_bytes(f"Not after {datetime.now(UTC) + timedelta(days=7)}\n".encode() + content)
    yield
    file.write_bytes(content)


@breaks("The check failed: ZeroDivisionError at broken_outside.py", Insecure=UNKNOWN)
def a_check_has_a_defect(it, patch, _) -> Iterator[None]:
    patch.setattr(machine, "over_tls", lambda: 1 // 0)
    yield
