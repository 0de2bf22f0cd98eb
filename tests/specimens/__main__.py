"""`make specimens`: writes certificates of every kind, by a new CA, into var/specimens."""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import make_authority
from servicecert_pki.keyring import open_keys
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import load_profiles

import specimens

FOLDER = Path("var/specimens")


def main() -> None:
    """Make a CA and the specimens; no key is stored."""
    now = datetime.now(UTC).replace(microsecond=0)
    profiles = load_profiles()
    passphrases = {environment: environment.encode() for environment in Environment}
    with TemporaryDirectory() as folder:
        make_authority(Path(folder) / "ca", passphrases, profiles, now)
        authority = Authority.load(Path(folder) / "ca")
        keys = open_keys(authority, passphrases)
        root_crls = specimens.root_crls(authority.directory, authority)
    made = specimens.make(authority, keys, profiles, specimens.draw_keys(), now)
    shutil.rmtree(FOLDER, ignore_errors=True)
    specimens.write(FOLDER, authority, made, {**specimens.make_crls(authority, keys, [], now), **root_crls})
    sys.stdout.write(f"{len(made)} certificates, their chains and CRLs are in {FOLDER}.\n")


main()
