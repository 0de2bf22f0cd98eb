"""What a client may hold of a server, and who a client is (F5)."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from servicecert_worker.core.faults import background
from servicecert_worker.process.connections import Closed, Connections, Limits, Proxies, client_of


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_f5_a_client_is_an_address_or_a_network(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
    ],
)
def test_f5_only_a_proxy_is_believed_about_whom_it_forwards_for(peer: str, forwarded: list[str], client: str) -> None:
    assert Proxies.of("10.0.0.0/8, fd00::/8").client(peer, forwarded) == client


def test_f5_without_proxies_nobody_is_believed() -> None:
    assert Proxies.of("").client("10.0.0.1", ["198.51.100.1"]) == "10.0.0.1"
    assert not Proxies().include("10.0.0.1")
    with pytest.raises(ValueError, match="does not appear to be"):
        Proxies.of("10.0.0.0/8, everywhere")


class Transport(asyncio.Transport):
    """A connection that is only counted."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 1) if name == "peername" else default

    def abort(self) -> None:
        self.aborted = True


class Behind(asyncio.Protocol):
    """The protocol of a server, which notes what reaches it."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


def connect(connections: Connections, address: str) -> tuple[Transport, Behind, asyncio.Protocol]:
    behind = Behind()
    protocol, transport = connections.guard(behind), Transport(address)
    protocol.connection_made(transport)
    return transport, behind, protocol


async def test_f5_a_new_client_gets_the_place_that_was_held_longest() -> None:
    connections = Connections(Limits(3, 3, 10))
    first, second, third = (connect(connections, f"192.0.2.{number}")[0] for number in range(3))
    connections.answered(first)
    connect(connections, "198.51.100.1")
    assert [each.aborted for each in (first, second, third)] == [False, True, False]

    async def send(transport: Transport) -> None:
        with connections.sending(transport, 60):
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        senders = [group.create_task(send(each)) for each in (third, first)]
        await asyncio.sleep(0)
        connect(connections, "198.51.100.2")
        connect(connections, "198.51.100.3")
        assert [each.aborted for each in (first, third)] == [False, True], "sending is no protection"
        await asyncio.wait(senders[:1])
        assert senders[0].cancelled(), "and nothing goes on sending"
        senders[1].cancel()
    assert connections.closed == {Closed.FULL: 3}
    assert len(connections) == 3


def test_f5_a_client_with_too_many_connections_loses_its_own_and_nobody_elses() -> None:
    connections = Connections(Limits(10, 2, 10), Proxies.of("10.0.0.0/8"))
    other = connect(connections, "198.51.100.1")[0]
    own = [connect(connections, "2001:db8::1")[0], connect(connections, "2001:db8::2")[0]]
    connect(connections, "2001:db8::3")
    assert [each.aborted for each in (other, *own)] == [False, True, False]
    assert connections.closed == {Closed.CLIENT: 1}
    proxied = [connect(connections, "10.0.0.1")[0] for _ in range(5)]
    assert not any(each.aborted for each in proxied)


def test_f5_octets_without_an_answer_are_bounded() -> None:
    connections = Connections(Limits(1, 1, 10, most_octets=10))
    transport, behind, protocol = connect(connections, "192.0.2.1")
    for _ in range(3):
        protocol.data_received(b"12345678")
        connections.answered(transport)
    assert behind.data == b"12345678" * 3
    protocol.data_received(b"12345678")
    protocol.data_received(b"12345678")
    assert transport.aborted
    assert behind.data == b"12345678" * 4
    assert connections.closed == {Closed.LARGE: 1}


def test_f5_a_closed_connection_gives_its_place_back_once() -> None:
    connections = Connections(Limits(1, 1, 10))
    transport, _, protocol = connect(connections, "192.0.2.1")
    protocol.connection_lost(None)
    protocol.connection_lost(None)
    connections.answered(transport)
    with connections.sending(transport, 1):
        assert len(connections) == 0
    connect(connections, "192.0.2.1")
    assert not connections.closed


async def test_f5_what_takes_too_long_is_closed_and_what_makes_progress_is_not() -> None:
    connections = Connections(Limits(10, 10, 0.2))
    silent, asking, reading, busy = (connect(connections, f"192.0.2.{number}") for number in range(4))
    with suppress(asyncio.CancelledError):
        async with asyncio.timeout(120), background(connections.watch()):
            with connections.sending(reading[0], 1_000):
                while not (silent[0].aborted and asking[0].aborted):
                    asking[2].data_received(b"x")
                    connections.answered(busy[0])
                    await asyncio.sleep(0.01)
                assert not reading[0].aborted
                assert not busy[0].aborted
    assert connections.closed == {Closed.SLOW: 2}
