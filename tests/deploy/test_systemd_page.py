"""What docs/install.md shows of systemd and pip works, and gives each unit what it reads."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from manifests import CHECKOUT
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database
from systemd_units import ACCOUNTS, NIGHTLY, ONCE, PROGRAM, SECRETS, UNITS, WATCHERS, WORKERS, environment, unit

KEY_FILE = "SERVICECERT_SERVICE_KEY_FILE"
PAGE = (CHECKOUT / "docs" / "install.md").read_text()
FAKES = {
    # The accounts are not there: it notes each file's.
    "install": """
        n=$# owner=root
        while [ $n -gt 0 ]; do
            a=$1 n=$((n - 1)); shift
            case $a in
            -o) owner=$1 n=$((n - 1)); shift ;;
            -g) n=$((n - 1)); shift ;;
            *) set -- "$@" "$a" ;;
            esac
        done
        for last; do :; done
        echo "$owner $last" >> "$NOTES/owners"
        exec /usr/bin/install "$@"
    """,
    "systemctl": 'echo "$@" >> "$NOTES/systemctl"',
    "getent": f"sed -n 's/^u \\([a-z-]*\\).*/\\1:x/p' {UNITS}/servicecert.sysusers",
    "servicecert": """for last; do :; done; echo DATABASE_URL=postgresql://"$3" > "$last" """,
    # systemd 252 takes whole paths alone.
    "systemd-sysusers": "file=${1:-{root}/etc/sysusers.d/servicecert.conf}; test ${file#/} != $file && test -e $file",
    "chgrp": ":",
    "systemd-run": 'printf "%s\\n" "$@"',
}


def blocks(section: str) -> str:
    """Return the lines to be run of a section of the page, without those below it."""
    text = re.split("\n##+ ", PAGE.partition(f"# {section}\n")[2])[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /, with programs that do not need systemd or its accounts."""
    (tmp_path / "bin").mkdir()
    for folder in ("usr/local/sbin", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    for name, script in FAKES.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh -eu\n{script.replace('{root}', str(tmp_path))}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path))
    return tmp_path


def test_the_page_s_block_gives_each_account_what_its_unit_reads(machine: Path, tmp_path: Path) -> None:
    """Debian 12 has no folder for accounts."""
    folder = tmp_path / "here"
    shutil.copytree(UNITS, folder / "deploy" / "systemd")
    files = [f"service-keys/{name}.{end}" for name in SERVICES for end in ("key", "pub")]
    files += [f"kafka-passwords/{name}" for name in Principal]
    for name in (
        *files,
        "ca/authority.toml",
        "ca/issuing/test-ec.pem",
        "ca.passphrases",
        "smtp-password",
        "kafka-ca.crt",
        "database-ca.crt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    logins = (*SERVICES, *database.LOGINS)
    urls = "".join(f"{name.upper()}_DATABASE_URL=postgresql://{name}\n" for name in logins)
    (folder / "service-urls").write_text(urls)
    lines = blocks("A token") + blocks("systemd")
    for path in ("/etc/", "/var/", "/usr/"):
        lines = lines.replace(f" {path}", f" {machine}{path}")
    subprocess.run(["bash", "-euc", lines], cwd=folder, check=True)

    for service in ("issuer", "revoker"):
        added = (machine / f"etc/systemd/system/servicecert-{service}@.service.d/token.conf").read_text()
        assert added.startswith("[Service]\nReadWritePaths=")
        conf = (machine / f"etc/servicecert/{service}.env").read_text().rpartition("SOFTHSM2_CONF=")[2].strip()
        assert Path(f"{machine}{conf}").read_text().startswith("directories.tokendir = ")
    owned = [line.split() for line in (machine / "owners").read_text().splitlines()]
    owners = {path: owner for owner, path in owned}
    for service in (*WORKERS, *WATCHERS, *NIGHTLY, *ONCE):
        account = {"erase": "eraser", "migrate": "migrator"}.get(service, service)
        own = machine / "etc/servicecert" / account
        assert (own.stat().st_mode & 0o777, owners[str(own)]) == (0o700, f"servicecert-{account}")
        read = {own / Path(it).name for it in environment(service).values() if it.startswith(SECRETS)}
        if service not in ("ocsp", "canary"):
            read.add(own / "DATABASE_URL")
            login = {"lag": "monitoring"}.get(account, account)
            assert (own / "DATABASE_URL").read_text() == f"postgresql://{login}\n"
        assert read == set(own.iterdir())
        assert {owners[str(file)] for file in read} == {f"servicecert-{account}"}
        assert {file.stat().st_mode & 0o777 for file in read} == {0o400}
        if user := environment(service).get("KAFKA_SASL_USERNAME"):
            assert (own / "kafka-password").read_text() == f"kafka-passwords/{user}"
        for path in environment(service).values():
            assert not path.startswith(("/etc/", "/var/")) or Path(f"{machine}{path}").exists(), path
    enabled = re.findall(r"servicecert[^ \n]*[.](?:service|timer|target)", (machine / "systemctl").read_text())
    assert {re.sub("@[0-9]+", "@", name) for name in enabled} == {
        file.name for file in UNITS.iterdir() if file.is_file() and "WantedBy" in file.read_text()
    }
    workers = re.findall(r"servicecert-([a-z]+)@([0-9]+)", (machine / "systemctl").read_text())
    started = [*workers, *((name, "01") for name in WATCHERS)]
    jobs = yaml.safe_load((CHECKOUT / "deploy" / "prometheus" / "prometheus-systemd.yml").read_text())["scrape_configs"]
    scraped = [(job["job_name"], target) for job in jobs for target in job["static_configs"][0]["targets"]]
    ports = [(it, environment(it, number)["SERVICECERT_HEALTH_PORT"]) for it, number in started]
    assert sorted(scraped[:-1]) == sorted((it, f"localhost:{port}") for it, port in ports)


@pytest.mark.parametrize("service", [*WORKERS, *WATCHERS, *NIGHTLY, "operator"])
def test_a_command_has_the_account_the_settings_and_the_secrets_of_its_unit(machine: Path, service: str) -> None:
    account = "eraser" if service == "erase" else service
    (machine / "login").touch()
    command, given = ["sh", UNITS / "servicecert-as", account, "lag", "--json"], {**os.environ, "LOGIN": "login"}
    done = subprocess.run(command, cwd=machine, env=given, capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    assert words[-3:] == [PROGRAM, "lag", "--json"]
    assert f"--uid=servicecert-{account}" in words
    assert f"\nu servicecert-{account} -" in ACCOUNTS
    files = [word.partition("=")[2] for word in words if word.startswith("EnvironmentFile=")]
    assert files == ["/etc/servicecert/servicecert.env", f"-/etc/servicecert/{account}.env", str(machine / "login")]
    assert f"WorkingDirectory=-{machine}" in words
    assert f"BindReadOnlyPaths=/etc/servicecert/{account}:/run/servicecert" in words
    user = "operator" if service == "operator" else environment(service)["KAFKA_SASL_USERNAME"]
    assert f"KAFKA_SASL_USERNAME={user}" in words
    if service != "operator":
        assert files[:2] == unit(service)["EnvironmentFile"]
        assert (KEY_FILE in environment(service)) is (f"{KEY_FILE}={SECRETS}service.key" in words)


def test_a_command_of_an_unknown_account_says_which_there_are(machine: Path) -> None:
    command = ["sh", UNITS / "servicecert-as", "operators", "lag"]
    done = subprocess.run(command, cwd=machine, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("servicecert-as: there is no account operators, but ")
    assert {*SERVICES, "operator"} <= set(done.stderr.split())


@pytest.mark.parametrize("systemctl", ["ends first", "ends last"])
def test_a_command_ends_with_the_signal_that_its_caller_gets(machine: Path, systemctl: str) -> None:
    waiting = 'echo $$ > "$NOTES/pid"; echo runs; while test ! -e "$NOTES/systemctl"; do sleep 0.05; done; exit 7'
    (machine / "bin" / "systemd-run").write_text(f"#!/bin/sh\n{waiting}\n")
    if systemctl == "ends last":
        with (machine / "bin" / "systemctl").open("a") as file:
            file.write('while kill -0 "$(cat "$NOTES/pid")" 2>/dev/null; do sleep 0.05; done\n')
    command = ["sh", UNITS / "servicecert-as", "operator", "watch"]
    with subprocess.Popen(command, cwd=machine, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "runs\n"
        running.terminate()
        assert running.wait(60) == 7
    assert re.fullmatch(r"kill as-servicecert-[0-9]+\n", (machine / "systemctl").read_text())


def test_the_page_s_lines_for_a_machine_without_internet_are_pip_s() -> None:
    for command in ("wheel", "install"):
        helped = subprocess.run(["pip", command, "--help"], capture_output=True, text=True, check=True).stdout
        for line in re.findall(rf"pip {command} .+", PAGE):
            assert {word for word in line.split() if word.startswith("--")} <= set(re.findall(r"--[\w-]+", helped))
            assert all((CHECKOUT / lock).exists() for lock in re.findall(r"\S+\.lock", line))
    fetched, installed = (re.search(rf"pip {it} --[^/]*-r (.+)", PAGE) for it in ("wheel", "install"))
    assert fetched
    assert installed
    assert fetched[1] == installed[1]
