"""A certificate authority whose issuing keys are in SoftHSM2, as a system on one machine needs it to be like production."""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from servicecert_deploy import SoftHsm
from servicecert_pki.key_store import token_label
from servicecert_pki.profile import Environment

from ..faults import UserError
from ..operations.files import write_private


def make_token_authority(directory: Path, passphrase_file: Path, folder: Path) -> Mapping[str, str]:
    """Makes two tokens in `folder` and a CA in `directory` whose keys are in them. Returns the environment that opens the keys.

    The CA is made by a process of its own, for a PKCS#11 library reads where its tokens are once. The passphrases are the roots'.
    Raises DeployError and UserError. Takes some seconds.
    """
    hsm = SoftHsm.prepare(folder)
    pins = {environment: secrets.token_hex(8) for environment in Environment}
    for environment, pin in pins.items():
        hsm.add_token(token_label("servicecert", environment), pin, secrets.token_hex(8))
    pin_file = folder / "pins"
    write_private(pin_file, "".join(f"{environment}={pin}\n" for environment, pin in pins.items()).encode())
    opens = {**hsm.environment, "SERVICECERT_PKCS11_PIN_FILE": str(pin_file)}
    made = subprocess.run(  # noqa: S603  # our own command
        [
            *(sys.executable, "-m", "servicecert_cli", "ca", "init", str(directory), "--keys", "pkcs11"),
            *("--passphrase-file", str(passphrase_file), "--operator", "a demonstration on one machine"),
        ],
        env={**os.environ, **opens},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise UserError(f"The CA in tokens could not be made: {made.stderr.strip()}", os.EX_SOFTWARE)
    return opens
