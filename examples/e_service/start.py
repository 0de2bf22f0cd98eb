"""Starts a whole system to try, the provider and the e-service beside it: what `make portal` runs.

    python start.py COMMAND…

The command is the one that starts the system, `servicecert up`. It writes the file `var/up/environment`, which makes
others the broker's user `e-service`: so the e-service starts once that file is there. All ends together.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent
CHECKOUT = EXAMPLE.parents[1]
SYSTEM = CHECKOUT / "var" / "up" / "environment"
FOLDER = CHECKOUT / "var" / "portal"


def free_port(wanted: int) -> int:
    """Return a port of this machine: this one, if nobody has it."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
            return int(listener.getsockname()[1])
    raise AssertionError


def settings() -> dict[str, str]:
    """Return the variables of the e-service and of its provider."""
    organisations = "cli/servicecert_cli/registers/fictitious/organisations.csv"
    return {
        "PORTAL_URL": f"http://127.0.0.1:{free_port(8700)}",
        "PORTAL_PROVIDER": f"http://127.0.0.1:{free_port(8701)}",
        "PORTAL_CLIENT_ID": "portal",
        "PORTAL_CLIENT_SECRET": secrets.token_urlsafe(32),
        "PORTAL_FOLDER": str(FOLDER),
        "PORTAL_CODE_SERVICE": str(CHECKOUT / organisations),
        "PORTAL_CA_CERTIFICATES": str(SYSTEM.with_name("crls")),
        "PORTAL_EXAMPLES": str(CHECKOUT / "cli/servicecert_cli/operations/examples"),
    }


def start_beside(variables: dict[str, str], processes: list[subprocess.Popen[bytes]], ended: threading.Event) -> None:
    """Start provider and e-service as soon as there is a system. Their output goes to a file."""
    while not SYSTEM.exists():
        if ended.wait(0.5):
            return
    for name in ("provider", "portal"):
        with (FOLDER / f"{name}.log").open("wb") as log:
            script = f'. "{SYSTEM}"; exec "{sys.executable}" -m {name}'
            command = ["sh", "-euc", script]
            processes.append(subprocess.Popen(command, cwd=EXAMPLE, env=os.environ | variables, stdout=log, stderr=log))


def main(command: list[str]) -> int:
    # A system begins with empty topics, so the e-service begins with an empty database.
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700, parents=True)
    SYSTEM.unlink(missing_ok=True)
    variables = settings()
    print(f"\n   The e-service: {variables['PORTAL_URL']}  (in half a minute)", flush=True)
    print(f"   Its logs:      {FOLDER}/*.log\n", flush=True)
    processes: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()
    beside = threading.Thread(target=start_beside, args=(variables, processes, ended))
    beside.start()
    system = subprocess.Popen(command, cwd=CHECKOUT)
    # Ctrl-C reaches the system too, which stops what it has started; all else follows it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: system.terminate())
    code = system.wait()
    ended.set()
    beside.join()
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
