"""The public part of an issuing CA: everything needed to build what it signs, nothing secret."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import der
from .ca_certificate import is_trial
from .keys import PublicKey
from .profile import Environment
from .spki import KeyFamily, family_of, key_bits, key_identifier, spki_of

ANY_POLICY = "2.5.29.32.0"
"""RFC 5280, 4.2.1.4."""


@dataclass(frozen=True, eq=False)
class IssuerInfo:
    """The decoded certificate of an issuing CA, compared by identity."""

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
    """The policies for which a chain through this CA is valid (RFC 5280, 6.1.3); empty if the certificate has none."""

    @classmethod
    def of(
        cls, id: str, environment: Environment, certificate: x509.Certificate, root: x509.Certificate
    ) -> "IssuerInfo":
        """Decode a CA certificate; a key that is neither RSA nor P-384 raises ValueError."""
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
        return bool(self.policies & {policy, ANY_POLICY})

    @cached_property
    def is_for_production(self) -> bool:
        return self.environment is Environment.PRODUCTION and not is_trial(
            x509.load_der_x509_certificate(self.certificate_der)
        )

    def is_of(self, ca: str) -> bool:
        """Return whether this is a generation of the CA that profiles call `ca`: ``test-ec``, ``test-ec-2``."""
        return re.fullmatch(rf"{re.escape(ca)}(-[0-9]+)?", self.id) is not None

    @cached_property
    def authority_key_identifier(self) -> bytes:
        """The DER AuthorityKeyIdentifier in what this CA signs: the key id only (RFC 5280, 4.2.1.1)."""
        return der.sequence(der.tlv(0x80, self.key_id))


def _policies(certificate: x509.Certificate) -> frozenset[str]:
    try:
        value = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(it.policy_identifier.dotted_string for it in value)
