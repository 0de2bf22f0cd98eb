"""The public half of an issuing CA: all that is needed to build what it signs, and nothing secret."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import der
from .keys import PublicKey
from .profile import Environment
from .spki import KeyFamily, family_of, key_bits, key_identifier, spki_of

ANY_POLICY = "2.5.29.32.0"
"""RFC 5280, 4.2.1.4."""


@dataclass(frozen=True, eq=False)
class IssuerInfo:
    """An issuing CA's certificate, taken apart once; two values are the same only if they are one object."""

    id: str
    environment: Environment
    family: KeyFamily
    certificate_der: bytes = field(repr=False)
    root_der: bytes = field(repr=False)
    subject_der: bytes = field(repr=False)
    key_id: bytes = field(repr=False)
    key_bits: bytes = field(repr=False)
    public_key: PublicKey = field(repr=False)
    not_before: datetime
    not_after: datetime
    policies: frozenset[str]
    """The policy identifiers for which a chain through this CA holds (RFC 5280, 6.1.3): none where its certificate names none."""

    @classmethod
    def of(
        cls, id: str, environment: Environment, certificate: x509.Certificate, root: x509.Certificate
    ) -> "IssuerInfo":
        """Take a CA certificate and its root's apart; a key that is neither RSA nor P-384 raises ValueError."""
        key = certificate.public_key()
        spki = spki_of(key)
        family = family_of(spki)
        assert isinstance(key, PublicKey)
        return cls(
            id=id,
            environment=environment,
            family=family,
            certificate_der=certificate.public_bytes(Encoding.DER),
            root_der=root.public_bytes(Encoding.DER),
            subject_der=certificate.subject.public_bytes(),
            key_id=key_identifier(spki),
            key_bits=key_bits(spki),
            public_key=key,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            policies=_policies(certificate),
        )

    def allows(self, policy: str) -> bool:
        """Whether a certificate of this policy has a chain that holds for it."""
        return bool(self.policies & {policy, ANY_POLICY})

    def is_of(self, ca: str) -> bool:
        """Whether this is the CA that profiles call `ca`, or a later generation of it: ``test-ec``, ``test-ec-2``."""
        return re.fullmatch(rf"{re.escape(ca)}(-[0-9]+)?", self.id) is not None

    @cached_property
    def authority_key_identifier(self) -> bytes:
        """The DER AuthorityKeyIdentifier of what this CA signs: the key id alone (RFC 5280, 4.2.1.1)."""
        return der.sequence(der.tlv(0x80, self.key_id))


def _policies(certificate: x509.Certificate) -> frozenset[str]:
    try:
        value = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(it.policy_identifier.dotted_string for it in value)
