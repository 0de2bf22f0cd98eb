"""Pin the images of docker-compose.yml by digest: `make pin-images` writes them into .env, `--check` names the others.

A tag can be moved to another image, a digest cannot. The registries are asked by skopeo, or by Docker's buildx.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
ENVIRONMENT = CHECKOUT / ".env"
_IMAGE = re.compile(r"\$\{(\w+_IMAGE):-([^}]+)\}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOOLS: Mapping[str, tuple[str, ...]] = {
    "skopeo": ("inspect", "--no-tags", "--format", "{{.Digest}}", "docker://{}"),
    "docker": ("buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", "{}"),
}


def images() -> dict[str, str]:
    return dict(_IMAGE.findall((CHECKOUT / "docker-compose.yml").read_text()))


def unpinned(environment: str) -> dict[str, str]:
    """Return the images that a text of .env does not pin."""
    pinned = dict(line.split("=", 1) for line in environment.splitlines() if "=" in line and not line.startswith("#"))
    return {name: image for name, image in images().items() if not _DIGEST.search(pinned.get(name, ""))}


def pin(environment: str) -> str:
    """Return a text of .env with the digest that each image's tag has now. Exits with a sentence."""
    kept = [line for line in environment.splitlines() if not re.match(r"# image |\w+_IMAGE=", line)]
    for name, image in images().items():
        kept += [f"# image {image}", f"{name}={image.rpartition(':')[0]}@{_digest(image)}"]
    return "\n".join((*kept, ""))


def _digest(image: str) -> str:
    tool = next((tool for tool in _TOOLS if shutil.which(tool)), None)
    if tool is None:
        sys.exit("pin-images: install skopeo or Docker: one of them asks the registries.")
    host = image if "." in image.split("/")[0] else f"docker.io/{image if '/' in image else f'library/{image}'}"
    command = [tool, *(part.format(host) if part.endswith("{}") else part for part in _TOOLS[tool])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # a fixed command
    found = _DIGEST.fullmatch(done.stdout.strip())
    if done.returncode or found is None:
        sys.exit(f"pin-images: {tool} does not find {image}: {done.stderr.strip()[-300:]}")
    return found[0]


def main() -> None:
    """Pin, or with `--check` name what is not pinned and end with 1."""
    environment = ENVIRONMENT.read_text() if ENVIRONMENT.exists() else ""
    if "--check" in sys.argv[1:]:
        if left := unpinned(environment):
            sys.exit(f"Not pinned by a digest: {', '.join(left.values())}. Run `make pin-images`.")
        return
    pinned = pin(environment)
    ENVIRONMENT.touch(mode=0o600)
    ENVIRONMENT.write_text(pinned)
    print(f"{ENVIRONMENT.name} pins {len(images())} images by digest.")


if __name__ == "__main__":
    main()
