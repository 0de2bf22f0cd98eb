import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import LEAVES, one_sentence
from servicecert_cli.main import SENTENCES

SERVING = "aiokafka asyncpg cryptography faststream pydantic"
SIGNING = "pkcs11 pkilint servicecert_pki.keyring"
LARGE = {*f"{SERVING} {SIGNING} aiohttp aiohttp.web dkim jinja2 obstore opentelemetry.sdk psycopg rich yoyo".split()}


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=" ".join)
def test_every_command_has_help_with_an_example_in_80_columns(servicecert, path):
    shown = servicecert(*path, "--help")
    assert shown.exit_code == 0
    assert "Example" in shown.stdout
    assert f"servicecert {path[0]}" in shown.stdout.split("Example")[1]
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", SENTENCES)
def test_the_list_of_commands_says_what_each_command_says_first(name):
    command = importlib.import_module(f"servicecert_cli.commands.{name.replace('-', '_')}").command
    assert (command.help or "").splitlines()[0] == SENTENCES[name]


def test_help_lists_every_command(servicecert):
    shown = servicecert("--help").stdout
    assert all(f"  {name} " in shown for name in SENTENCES)


@pytest.mark.parametrize(
    ("modules", "loaded"),
    [
        ("main", ""),
        ("commands.submit", "aiokafka asyncpg cryptography pydantic"),
        ("commands.lag", "aiokafka asyncpg cryptography pydantic"),
        ("commands.lag watching.lag.app", SERVING),
        ("commands.canary", f"{SERVING} aiohttp"),
        ("commands.ocsp", f"{SERVING} aiohttp aiohttp.web"),
        ("commands.run servicecert_intake.app", SERVING),
        ("commands.run servicecert_notifier.app", f"{SERVING} jinja2"),
        ("commands.run servicecert_issuer.app", f"{SERVING} {SIGNING}"),
        ("commands.run servicecert_revoker.app", f"{SERVING} {SIGNING} aiohttp"),
    ],
)
def test_a_process_starts_quickly_since_it_loads_no_large_library_that_it_does_not_use(modules, loaded):
    names = [name if "servicecert" in name else f"servicecert_cli.{name}" for name in modules.split()]
    code = f"import sys, {', '.join(names)}; print(*{LARGE} & set(sys.modules))"
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert set(found.split()) == set(loaded.split())


def test_an_unknown_command_is_wrong_usage(servicecert):
    assert servicecert("frobnicate").exit_code == 2


def test_what_nobody_foresaw_is_not_hidden(servicecert, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("servicecert_cli.commands.submit.example_text", fail)
    with pytest.raises(ZeroDivisionError):
        servicecert("submit", "--example", "server")


def test_a_letter_that_a_terminal_cannot_show_is_its_number():
    printing = "import servicecert_cli.commands.submit as it; it.example_text = lambda _: print('ä') or ''"
    code = f"from servicecert_cli.main import main; {printing}; main(['submit', '--example', 'server'])"
    shown = subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert shown == b"\\xe4\n"


def test_a_full_disk_is_told():
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "servicecert_cli", "submit", "--example", "server"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 73
    assert "its disk is full" in done.stderr.splitlines()[0]


def test_an_interrupted_command_ends_as_one_that_a_signal_ended(servicecert, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("servicecert_cli.commands.submit.example_text", interrupted)
    done = servicecert("submit", "--example", "server")
    assert (done.exit_code, done.output) == (130, "")


def test_a_place_that_may_not_be_used_is_told(servicecert, monkeypatch, tmp_path):
    def denied(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", denied)
    done = servicecert("ca", "root", "init", tmp_path, "--operator", "A. Operator")
    assert done.exit_code == 73
    assert one_sentence(done.stderr) == (
        f"servicecert: {tmp_path}/authority.toml cannot be used (Permission denied): name another place."
    )
