"""Stopping Kafka clients without harm to the caller, and why one could not be opened.

aiokafka cancels its own tasks and awaits them, so its methods may raise a CancelledError that nobody requested. An
`asyncio.TaskGroup` takes that for a normal end: a follower would stop for ever, unnoticed.

And it reads no more from a connection that it closes. A TLS connection with an answer under way then waits 30 s for
the broker's goodbye, which comes after that answer.
"""

import asyncio
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import SaslAuthenticationFailed, UnsupportedSaslMechanismError

from ..core.faults import OperatorError, error_summary, failed_step, with_timeout
from .cluster import Cluster
from .internals import client_of, end, transports_of

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
_GOODBYE_SECONDS = 0.2
_PROBE_SECONDS = 2.0


async def broker_refused(cluster: Cluster) -> OperatorError:
    """Return at which step the first broker fails, by one more connection: clients do not say why they got none."""
    options, access = cluster.client, cluster.access
    place = options.pop("bootstrap_servers").split(",")[0].strip()
    host, _, port = place.rpartition(":")
    connection = AIOKafkaConnection(host.strip("[]"), int(port), **options)
    try:
        await with_timeout(_PROBE_SECONDS, connection.connect())
    except SaslAuthenticationFailed:
        says = (
            f"refuses the password of {access.who}, or has no such user: correct KAFKA_SASL_USERNAME, or the password"
        )
        return OperatorError(f"Kafka at {place} {says}.", 77)
    except UnsupportedSaslMechanismError:
        mechanism = f"KAFKA_SASL_MECHANISM={access.sasl_mechanism}"
        return OperatorError(f"Kafka at {place} does not offer {mechanism}: use one that it does.", 78)
    except Exception as error:
        step = failed_step(error)
        if "certificate" in step or "TLS" in step:
            says = f"at {place} does not verify by TLS ({step}): correct KAFKA_CA_FILE, or its host and port"
        elif "closes" in step:
            says = (
                f"at {place} closes the connection: it wants another KAFKA_SECURITY_PROTOCOL than "
                f"{access.security_protocol}, or a client's certificate in KAFKA_CERTIFICATE_FILE"
            )
        else:
            says = f"does not answer at {place} ({step}): start it, or correct KAFKA_BOOTSTRAP_SERVERS"
        return OperatorError(f"Kafka {says}.", 69)
    finally:
        # The caller's loop may end next, and the broker's goodbye over TLS to a login it refuses comes after 100 ms.
        if (closed := connection.close()) is not None:
            await asyncio.wait([closed], timeout=_GOODBYE_SECONDS)
    return OperatorError(
        f"Kafka at {place} accepts {access.who} and then does not answer: look at its brokers, and whether their "
        "advertised.listeners are reached from here.",
        69,
    )


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient) -> None:
    """Stop a client, for at most 5 s: while the broker is down it would wait for ever."""
    stopping = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
    goodbyes = asyncio.create_task(_end_goodbyes(transports_of(client_of(client))))
    try:
        await with_timeout(STOP_SECONDS, stopping)
    except Exception as error:
        log.info("A Kafka client did not stop cleanly; it is ended", extra={"error": error_summary(error)})
    finally:
        goodbyes.cancel()
        # Nothing is left of it, unless its stop was cut off.
        end(client)


async def _end_goodbyes(transports: Sequence[asyncio.Transport]) -> None:
    """End, again and again, those of the connections that were closed and are not gone soon after."""
    while True:
        await asyncio.sleep(_GOODBYE_SECONDS)
        for transport in transports:
            if transport.is_closing():
                transport.abort()
