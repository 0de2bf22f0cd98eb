"""The roots' CRLs: made in a ceremony, because the roots' keys are offline, with a long validity (D7).

They are in `crls/<root>.crl` of the offline folder, DER, and are copied to the same path in the services' folder. Each
repeats the entries of the previous one, so a CA stays revoked.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .authority import AuthorityExists, AuthorityMissing, AuthorityRefused
from .ca_certificate import sign_root_crl
from .ceremony_files import Action, alone_in, kind_of_file, open_root, read_certificate, second
from .crl_reading import Unreadable, crl_fields, load
from .manifest import KINDS, root_id, write_whole
from .profile import Environment

DAYS = 365
"""Default number of days from a root's CRL to its next update."""

REASONS: Mapping[str, x509.ReasonFlags] = MappingProxyType(
    {
        "ca-compromise": x509.ReasonFlags.ca_compromise,
        "superseded": x509.ReasonFlags.superseded,
        "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
    }
)
"""Why an issuing CA is revoked (RFC 5280, 5.3.1)."""


def root_crl_file(folder: Path, root: str) -> Path:
    """Return the path of a root's CRL in the offline or the services' folder."""
    return folder / "crls" / f"{root}.crl"


def make_root_crls(
    offline: Path,
    passphrases: Mapping[Environment, bytes],
    now: datetime,
    days: int = DAYS,
    revoked: Sequence[tuple[str, str]] = (),
    *,
    dry_run: bool = False,
) -> list[Action]:
    """Make the next CRL of each root: the previous entries, and the issuing CAs `revoked` now with one of REASONS each.

    Nothing is written unless all of them can be made, nor with `dry_run`. Raises AuthorityRefused or a subclass.
    """
    with alone_in(offline):
        added = dict(_entry(offline, id, reason, now) for id, reason in revoked)
        crls = {}
        for environment, family in KINDS:
            id = root_id(environment, family)
            entries = [entry for (root, _), entry in added.items() if root == id]
            crls[id] = _next(offline, id, passphrases[environment], second(now), days, entries)
        for id, crl in () if dry_run else crls.items():
            write_whole(root_crl_file(offline, id), crl.public_bytes(Encoding.DER))
    return [Action.listed(id, crl_fields(crl).number, crl) for id, crl in crls.items()]


def copy_root_crls(offline: Path, directory: Path) -> None:
    """Copy the roots' CRLs to the services' folder, if both are on one machine."""
    for file in sorted((offline / "crls").glob("*.crl")):
        write_whole(directory / "crls" / file.name, file.read_bytes())


def _entry(offline: Path, id: str, reason: str, now: datetime) -> tuple[tuple[str, str], x509.RevokedCertificate]:
    file = offline / "issued" / f"{id}.pem"
    root = root_id(*kind_of_file(file))
    if not file.exists():
        raise AuthorityMissing(f"No root in {offline} certified {id}: {file} is not there.")
    builder = x509.RevokedCertificateBuilder(read_certificate(file).serial_number, second(now))
    return (root, id), builder.add_extension(x509.CRLReason(REASONS[reason]), critical=False).build()


def _next(
    offline: Path, id: str, passphrase: bytes, now: datetime, days: int, added: Iterable[x509.RevokedCertificate]
) -> x509.CertificateRevocationList:
    root, key = open_root(offline, id, passphrase)
    number, entries = 0, dict[int, x509.RevokedCertificate]()
    if (file := root_crl_file(offline, id)).exists():
        try:
            previous = load(file.read_bytes())
            last = crl_fields(previous)
            if not previous.is_signature_valid(key.public_key()):
                raise Unreadable("the root did not sign it")
        except Unreadable:
            raise AuthorityRefused(
                f"{file} is no CRL that this root signed: bring back the last one that was made."
            ) from None
        if now < last.this_update:
            raise AuthorityRefused(
                f"{file} is from {last.this_update:%Y-%m-%dT%H:%M:%SZ}, which lies ahead: set this machine's clock."
            )
        number, entries = last.number, {it.serial_number: it for it in previous}
    for entry in added:
        if entry.serial_number in entries:
            raise AuthorityExists(f"One of the CAs is on {file} already: leave it out, revoked it stays.")
        entries[entry.serial_number] = entry
    ordered = [entries[serial] for serial in sorted(entries)]
    return sign_root_crl(root, key, number + 1, now, now + timedelta(days=days), ordered)
