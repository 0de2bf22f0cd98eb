"""podman as a Docker engine: a folder of its own for images and containers, and its API at a socket."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


class Failed(Exception):
    """A command failed: which, and what it said."""


def run(*command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return its standard output. Raises Failed."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**os.environ, **(environment or {})}, cwd=cwd
    )
    if done.returncode != 0:
        said = done.stdout[-3000:] + done.stderr[-3000:]
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{said}")
    return done.stdout


@dataclass(frozen=True)
class Engine:
    """Everything below `folder`, which may be kept: what is there is not made again."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For podman and for Docker Compose."""
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "DOCKER_HOST": f"unix://{self.folder / 'podman.sock'}",
            "DOCKER_BUILDKIT": "0",
        }

    @property
    def full_environment(self) -> dict[str, str]:
        """The same, and that of this process."""
        return {**os.environ, **self.environment}

    def configure(self) -> None:
        """Write podman's configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(_CONTAINERS)
        places = f'driver = "overlay"\nrunroot = "{self.folder / "run"}"\ngraphroot = "{self.folder / "images"}"\n'
        (self.folder / "storage.conf").write_text(f"[storage]\n{places}")

    def podman(self, *arguments: str | Path) -> str:
        """Run podman and return what it printed. Raises Failed."""
        return run("podman", *arguments, environment=self.environment)

    def has(self, image: str) -> bool:
        """Return whether there is an image of this tag."""
        try:
            self.podman("image", "exists", image)
        except Failed:
            return False
        return True

    def containers(self) -> list[dict[str, Any]]:
        """Return what podman says of each container."""
        found: list[dict[str, Any]] = json.loads(self.podman("ps", "--all", "--format", "json"))
        return found

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The Docker API, until the context ends."""
        socket = self.folder / "podman.sock"
        socket.unlink(missing_ok=True)
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"],
            env=self.full_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 30
            while not socket.exists():
                if time.monotonic() > until:
                    raise Failed("podman does not serve its API.")
                time.sleep(0.05)
            yield
        finally:
            service.terminate()
            service.wait()
            # podman leaves the folder of its images mounted on itself: it could not be removed.
            subprocess.run(["umount", self.folder / "images" / "overlay"], capture_output=True, check=False)
