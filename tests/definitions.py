"""What kustomize makes of deploy/kubernetes, and the definitions of kinds that are not Kubernetes' own.

A test that needs a tool that is not installed is skipped.
"""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests import Object


@cache
def rendered(folder: Path) -> tuple[Object, ...]:
    """Return the objects that kustomize makes of a folder."""
    if shutil.which("kustomize"):
        command = ["kustomize", "build"]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize"]
    else:
        pytest.skip("neither kustomize nor kubectl is installed")
    text = subprocess.run([*command, str(folder)], check=True, capture_output=True, text=True).stdout
    return tuple(yaml.safe_load_all(text))


@cache
def source(module: str, checksum: str) -> Path:
    """Return the folder of a project's source, which the Go tool fetches once; the checksum is as it prints it."""
    if not shutil.which("go"):
        pytest.skip("Go, which fetches definitions, is not installed")
    got = subprocess.run(["go", "mod", "download", "-json", module], cwd="/", capture_output=True, text=True)
    if got.returncode != 0:
        pytest.skip(f"{module} cannot be fetched")
    told: dict[str, str] = json.loads(got.stdout)
    assert told["Sum"] == checksum
    return Path(told["Dir"])


def closed(schema: Any) -> Any:
    """Return a definition's schema that refuses unknown names, as `kubectl apply --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(each) for name, each in schema.items()}
    if isinstance(schema.get("pattern"), str):
        # Go takes a flag anywhere, Python at the start alone.
        schema["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


@cache
def definition(file: Path, version: str) -> Any:
    """Return the schema of the kind that a file defines."""
    (found,) = [each for each in yaml.safe_load(file.read_text())["spec"]["versions"] if each["name"] == version]
    return closed(found["schema"]["openAPIV3Schema"])
