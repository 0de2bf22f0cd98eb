"""The certificates of the CAs that a process trusts: files that its operator gave (F2)."""

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_worker.core.faults import OperatorError


def pinned(folder: Path, setting: str = "SERVICECERT_OCSP_CA_CERTIFICATES") -> Mapping[str, bytes]:
    """Return the DER certificates in the files `<CA>.cer` and `<CA>.pem` of a folder, by CA name; `setting` names it.

    It is read at each use, so that a new CA needs no restart. Raises OperatorError.
    """
    try:
        files = [file for file in sorted(folder.iterdir()) if file.suffix in (".cer", ".pem")]
        return {file.stem: _certificate(file.read_bytes()) for file in files}
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "a file is no certificate"
        raise OperatorError(
            f"The CAs' certificates in {folder} cannot be read ({reason}): correct {setting}.",
            78,
        ) from None


def _certificate(content: bytes) -> bytes:
    load = x509.load_pem_x509_certificate if content.startswith(b"-----") else x509.load_der_x509_certificate
    return load(content).public_bytes(Encoding.DER)
