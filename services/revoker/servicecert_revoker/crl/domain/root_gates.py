"""What a root's CRL passes before it is published, and when the next one is wanted (D7). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from servicecert_pki.crl_reading import Said, Unreadable, is_signed, load, said
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.pkix_lint import lint_crl

from .gates import GateFailed, check_grows, check_vanished

_WARNED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RootCrl:
    """A list as it was read, what it says of itself, and the serial numbers of the CAs that it revokes."""

    read: x509.CertificateRevocationList
    says: Said
    listed: frozenset[int]


def readable(crl: bytes | None) -> RootCrl | None:
    """Read a list, None where there is none or it cannot be read."""
    if crl is None:
        return None
    try:
        read = load(crl)
        return RootCrl(read, said(read), frozenset(it.serial_number for it in read))
    except (Unreadable, ValueError):
        return None


def check_root(crl: bytes, root: IssuerInfo, published: bytes | None, now: datetime) -> Said:
    """Raise GateFailed unless a root's CRL may be published in the place of the `published` one; return what it says of itself."""
    made = readable(crl)
    if made is None:
        raise GateFailed("readable", "It cannot be read.")
    found = made.says
    if not is_signed(crl, made.read, root):
        raise GateFailed("signature", f"It is not signed by {root.id}.")
    if (found.issuer, found.key_id) != (root.subject_der, root.key_id):
        raise GateFailed("issuer", f"It does not name {root.id} and its key.")
    if found.next_update is None or not found.this_update <= now < found.next_update:
        raise GateFailed("times", "It does not hold now: make another one with `servicecert ca root crl`.")
    if found.scope is not None or found.others:
        raise GateFailed("scope", "It is not of all that the root certifies.")
    if findings := lint_crl(crl):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in findings}))}.")
    old = readable(published)
    if old is not None:
        check_grows(found.number, old.says.number)
        # A root's list is short: an entry stays on it for ever.
        check_vanished(len(old.listed - made.listed))
    return found


def days_left(published: RootCrl | None, now: datetime) -> int | None:
    """How long the published one is good, where that is short enough to be told; none at all is good for 0 days."""
    if published is None or published.says.next_update is None:
        return 0
    left = published.says.next_update - now
    return left.days if left < _WARNED else None
