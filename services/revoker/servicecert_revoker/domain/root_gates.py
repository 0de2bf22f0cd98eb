"""The checks of a root's CRL before it is published, and the warning before it expires (D7). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from servicecert_pki.crl_reading import CrlFields, Unreadable, crl_fields, is_signed, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.pkix_lint import lint_crl

from .crl_gates import GateFailed, check_grows, check_vanished

_WARNED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RootCrl:
    """A parsed CRL, its head and extensions, and the serial numbers of the CAs that it revokes."""

    read: x509.CertificateRevocationList
    contents: CrlFields
    listed: frozenset[int]


def read_root_crl(crl: bytes | None, root: IssuerInfo) -> RootCrl | None:
    """Return a parsed CRL, None if there is none, it cannot be read, or the root has not signed it."""
    parsed = _parsed(crl)
    return parsed if parsed is not None and crl is not None and is_signed(crl, parsed.read, root) else None


def _parsed(crl: bytes | None) -> RootCrl | None:
    if crl is None:
        return None
    try:
        read = load(crl)
        return RootCrl(read, crl_fields(read), frozenset(it.serial_number for it in read))
    except (Unreadable, ValueError):
        return None


def check_root(crl: bytes, root: IssuerInfo, published: bytes | None, now: datetime) -> CrlFields:
    """Return a root's CRL's head and extensions. Raise GateFailed if it must not replace the `published` one."""
    made = _parsed(crl)
    if made is None:
        raise GateFailed("readable", "It cannot be read.")
    contents = made.contents
    if not is_signed(crl, made.read, root):
        raise GateFailed("signature", f"It is not signed by {root.id}.")
    if (contents.issuer, contents.key_id) != (root.subject_der, root.key_id):
        raise GateFailed("issuer", f"It does not name {root.id} and its key.")
    if contents.next_update is None or not contents.this_update <= now < contents.next_update:
        raise GateFailed("times", "It is not valid now: make another one with `servicecert ca root crl`.")
    if contents.scope is not None or contents.others:
        raise GateFailed("scope", "It does not cover all certificates of the root.")
    if findings := lint_crl(crl):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in findings}))}.")
    old = read_root_crl(published, root)
    if old is not None:
        check_grows(contents.number, old.contents.number)
        # A root's CRL is short: its entries stay forever.
        check_vanished(len(old.listed - made.listed))
    return contents


def days_left(published: RootCrl | None, now: datetime) -> int | None:
    """Return the days until the published CRL expires: 0 if there is none, None if there is time enough."""
    if published is None or published.contents.next_update is None:
        return 0
    left = published.contents.next_update - now
    return left.days if left < _WARNED else None
