"""What is given to developers who have no Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from base64 import b64decode
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import pytest
from contracts.recorded import KEY, PACKAGES, STREAM
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused, NextActor
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.codec import decode
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.headers import SIGNATURE_FORM, signed_bytes
from servicecert_schemas.revocation import REASONS
from servicecert_schemas.values import CertificateType, Language, Texts
from servicecert_worker.core.service_keys import key_id

CHECKOUT = Path(__file__).parents[2]
NAMES: dict[str, list[str]] = json.loads((CHECKOUT / "tests/schemas/generated/names.json").read_text())


def test_E1_the_recorded_stream_has_every_state_in_each_language_and_is_signed() -> None:
    key = load_pem_public_key(KEY.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    seen = set()
    for line in STREAM.read_text().splitlines():
        record = json.loads(line)
        headers = [(name, text.encode()) for name, text in record["headers"].items()]
        place = record["key"].encode(), headers, record["value"].encode()
        _, case = decode(record["topic"], *place)
        seen.add((case.state, case.language) if isinstance(case, CaseChanged) else type(case))
        signature = re.fullmatch(SIGNATURE_FORM, record["headers"]["servicecert-signature"])
        assert signature is not None
        assert key_id(key).startswith(signature[1])
        key.verify(b64decode(signature[2]), signed_bytes(record["topic"], *place))
    assert seen == {*product(CaseState, Language), EventRefused}


def test_each_state_type_recipient_and_who_acts_next_has_its_words() -> None:
    tables = json.loads((EXPORTED / "texts.json").read_text())
    reasons = tables.pop("reasons")
    assert {code: Texts.model_validate(each) for code, each in reasons.items()} == REASONS
    members = {"states": CaseState, "types": CertificateType, "recipients": RecipientRole, "acts_next": NextActor}
    assert tables.keys() == members.keys()
    for table, kind in members.items():
        assert tables[table].keys() == set(kind) - {NextActor.NOBODY}, table
        assert all(set(Texts.model_validate(each).model_dump()) == set(Language) for each in tables[table].values())


@pytest.mark.long
def test_the_packages_have_the_same_files_and_the_version_of_the_schemas(tmp_path: Path) -> None:
    for program in ("npm", "javac", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, so the packages were not built")
    subprocess.run(["make", "packages", f"PACKAGES={tmp_path / 'packages'}"], cwd=CHECKOUT, check=True)
    (npm,), (jar,), (zipped,) = (list((tmp_path / "packages").glob(f"*.{kind}")) for kind in ("tgz", "jar", "zip"))
    with tarfile.open(npm) as package:
        files = {name.removeprefix("package/") for name in package.getnames()}
    expected = {str(path.relative_to(EXPORTED)) for path in EXPORTED.rglob("*.*")}
    expected |= {path.name for path in PACKAGES.iterdir()} | {"codes.md", "form.md"}
    typescript = {"typescript/index.d.ts"} | {f"typescript/{path.stem}.d.ts" for path in (EXPORTED / "json").iterdir()}
    java = {f"java/servicecert/{name}.java" for name in NAMES["java"]}
    assert files == expected - {"pom.xml"} | typescript
    classes = {f"servicecert/{name}.class" for name in NAMES["java"]}
    whole = (zipped, expected | typescript | java), (jar, expected - {"pom.xml", "package.json"} | classes)
    for path, held in whole:
        with ZipFile(path) as package:
            names = {name for name in package.namelist() if not name.endswith("/") and "META-INF" not in name}
        assert {name.removeprefix("servicecert-schemas/") for name in names if "$" not in name} == held
    version = re.search(r'^version = "(.+)"', (CHECKOUT / "schemas" / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {path.name for path in (npm, jar, zipped)} == {
        f"servicecert-schemas-{version[1]}.{kind}" for kind in ("tgz", "jar", "zip")
    }
