"""The sink of the benchmarks speaks SMTP as a benchmark's client expects it."""

import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SINK = Path(__file__).parents[2] / "bench" / "smtp_sink.py"


@pytest.fixture
def sink():
    with subprocess.Popen([sys.executable, SINK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().removeprefix("port "))
        process.kill()


def test_mails_are_accepted(sink):
    with smtplib.SMTP("127.0.0.1", sink, timeout=10) as client:
        for body in ("short", ".\n.x\n", "long " * 100_000):
            assert client.sendmail("a@example.fi", ["b@example.fi", "c@example.fi"], body) == {}
        assert client.has_extn("pipelining")
        assert client.docmd("TURN")[0] == 500
        assert client.rset()[0] == 250


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_pipelined_commands_may_arrive_in_any_pieces(sink, piece):
    mail = b"MAIL FROM:<a@x.fi>\r\nRCPT TO:<b@x.fi>\r\nDATA\r\n"
    talk = b"EHLO x\r\n" + mail + b"hello\r\n..\r\n.\r\n" + mail + b".\r\nQUIT\r\n"
    with socket.create_connection(("127.0.0.1", sink), timeout=10) as connection:
        for at in range(0, len(talk), piece):
            connection.sendall(talk[at : at + piece])
        answer = b""
        while more := connection.recv(4_096):
            answer += more
    codes = [line[:3] for line in answer.split(b"\r\n") if line[3:4] == b" "]
    assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 2, b"221"]
