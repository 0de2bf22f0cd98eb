"""What a certificate says of itself, where it is malformed."""

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issued import CertificateUntrusted, read_certificate, read_issued


def test_f5_a_certificate_with_a_name_of_bits_is_unreadable_and_no_defect(authority: Authority) -> None:
    """The library raises TypeError for it. A row, an event or a file may hold one."""
    whole = authority.issuer("test-ec").certificate_der
    assert read_certificate(whole)
    malformed = whole.replace(b"\x13\x02FI", b"\x03\x02\x00I")
    assert malformed != whole
    for read in (read_certificate, lambda encoded: read_issued(encoded, authority.issuers.values())):
        with pytest.raises(CertificateUntrusted) as raised:
            read(malformed)
        assert raised.value.code == "unreadable"
