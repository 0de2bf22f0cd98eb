"""A certificate authority whose issuing keys are in SoftHSM2, to resemble production."""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from servicecert_launcher import SoftHsm
from servicecert_pki.keyring import token_label
from servicecert_pki.profile import Environment

from ..faults import UserError
from ..operations.authority import DEMONSTRATION
from ..operations.files import write_private


def make_token_authority(directory: Path, passphrase_file: Path, folder: Path) -> Mapping[str, str]:
    """Make two tokens in `folder` and a CA in `directory` with its keys in them. Return the environment to open them.

    A separate process makes the CA, since a PKCS#11 library reads its configuration once. The passphrases are those of
    the roots. Raises DeployError and UserError. Takes some seconds.
    """
    hsm = SoftHsm.prepare(folder)
    pins = {kind: secrets.token_hex(8) for kind in Environment}
    for kind, pin in pins.items():
        hsm.add_token(token_label(kind), pin, secrets.token_hex(8))
    pin_file = folder / "pins"
    write_private(pin_file, "".join(f"{kind}={pin}\n" for kind, pin in pins.items()).encode())
    environment = {**hsm.environment, "SERVICECERT_PKCS11_PIN_FILE": str(pin_file)}
    result = subprocess.run(  # noqa: S603  # our own command
        [
            *(sys.executable, "-m", "servicecert_cli", "ca", "init", str(directory), "--keys", "pkcs11"),
            *("--passphrase-file", str(passphrase_file), "--operator", DEMONSTRATION),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise UserError(f"The CA in tokens could not be made: {result.stderr.strip()}", os.EX_SOFTWARE)
    return environment
