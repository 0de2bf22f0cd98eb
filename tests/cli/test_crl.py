import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from commandline import one_sentence, run_process


def test_crls_are_served_until_it_is_told_to_stop(tmp_path):
    (tmp_path / "test-ec.crl").write_bytes(b"a list")
    serving = subprocess.Popen(
        [sys.executable, "-m", "servicecert_cli", "crl", "serve", str(tmp_path), "--host", "127.0.0.1", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().split()[-1]
        with urllib.request.urlopen(address.replace("<CA>", "test-ec")) as answer:
            assert answer.read() == b"a list"
    finally:
        serving.send_signal(signal.SIGTERM)
    assert serving.wait(10) == 0
    serving.stdout.close()


def test_a_port_in_use_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = run_process("crl", "serve", tmp_path, "--host", "127.0.0.1", "--port", port)
    assert done.code == 69
    assert f"Cannot listen on port {port}" in one_sentence(done.err)


@pytest.mark.parametrize("arguments", [("no-such-folder",), ()])
def test_a_folder_must_be_named(servicecert, arguments):
    assert servicecert("crl", "serve", *arguments).exit_code == 2
