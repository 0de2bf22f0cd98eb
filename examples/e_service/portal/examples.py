"""The form filled in for who only tries the e-service: for trials, whose organisations are invented."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_schemas import CertificateType, Form

from .forms import typed_of


def typed_for(folder: Path, type: CertificateType, long_names: Sequence[str]) -> dict[str, list[str]]:
    """Return an application of a folder, for one of an organisation's units, with a request whose key nobody keeps."""
    form = Form.model_validate(tomllib.loads((folder / f"{type}.toml").read_text(encoding="utf-8")))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = request.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
    unit = {"unit_long_name": [*long_names[:1]]} if long_names else {}
    return typed_of(form) | unit | {"csr_text": [signed.public_bytes(Encoding.PEM).decode()]}
