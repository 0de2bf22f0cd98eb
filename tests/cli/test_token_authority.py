"""A CA made by the command in SoftHSM2's tokens (B5)."""

import os
import subprocess
import sys
from functools import partial

import pytest
from commandline import one_sentence
from servicecert_cli.stand.token_authority import make_token_authority
from servicecert_launcher import TokenMissing
from servicecert_pki.authority import Authority

OPEN = """
import os, sys
from pathlib import Path
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import access, open_keys
module, pins = (Path(os.environ[name]) for name in ("SERVICECERT_PKCS11_MODULE", "SERVICECERT_PKCS11_PIN_FILE"))
for id, key in open_keys(Authority.load(Path(sys.argv[1])), *access(None, module, pins)).items():
    print(id, len(key.sign(b"abc")) > 90)
"""


@pytest.mark.long
def test_B5_a_ca_is_made_inside_tokens_and_its_environment_opens_it(tmp_path):
    directory, passphrases = tmp_path / "ca", tmp_path / "ca.passphrases"
    try:
        environment = make_token_authority(directory, passphrases, tmp_path / "hsm")
    except TokenMissing as missing:
        pytest.skip(str(missing))
    assert {place.kind for place in Authority.load(directory).places.values()} == {"pkcs11"}
    assert not (directory / "keys").exists()
    opened = subprocess.run(
        [sys.executable, "-c", OPEN, str(directory)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(opened.stdout.split()) == sorted(
        ["production-rsa", "True", "production-ec", "True", "test-rsa", "True", "test-ec", "True"]
    )
    pins = (tmp_path / "hsm" / "pins").read_text().split()
    kept = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert not any(pin.partition("=")[2].encode() in kept for pin in pins)
    # A later generation is in the token too, unless it is said otherwise.
    step = ("ca", "request", str(directory), "--dry-run")
    request = [sys.executable, "-m", "servicecert_cli", *step]
    rehearse = partial(subprocess.run, request, capture_output=True, text=True, check=False)
    done = rehearse(env={**os.environ, **environment})
    assert (done.returncode, "in the tokens servicecert-production and servicecert-test" in done.stdout) == (0, True)
    done = rehearse(env=os.environ)
    assert done.returncode == 78
    assert "set SERVICECERT_PKCS11_MODULE" in one_sentence(done.stderr)
    wrong = tmp_path / "wrong-pins"
    wrong.write_text("production=1234567\ntest=1234567\n")
    wrong.chmod(0o600)
    done = rehearse(env={**os.environ, **environment, "SERVICECERT_PKCS11_PIN_FILE": str(wrong)})
    assert done.returncode == 78
    assert "PIN" in one_sentence(done.stderr)
