"""Run the real docker-compose.yml without a Docker engine: Docker Compose on podman, with stand-ins for base images.

A stand-in has the tag of the real image, and reads the environment, files and arguments that the real one reads.
What only a real image can show is in NOT_RUN.
"""

NOT_RUN = (
    "the images of Kafka, PostgreSQL, Mailpit, HAProxy and Prometheus themselves: stand-ins of the same tag run, made "
    "of Debian's packages, this project's wheels and jars, and a mail catcher with the first page of Mailpit's API",
    "Grafana: Debian has no package of it, so its container is left out; tests/deploy checks its settings and files",
    "health checks by the engine's timer: podman drives them by systemd timers, so the run asks for them itself",
)
