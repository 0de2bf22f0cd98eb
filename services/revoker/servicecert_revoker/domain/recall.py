"""What the revoker drew, published and signed before, by the events that it published: for a replay. Pure.

A replay publishes no CRL. A CRL that the topics announce counts as published; where they do not, the order stays open,
and the first worker publishes one with a higher number.
"""

from base64 import b64decode
from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel
from servicecert_pki import der
from servicecert_pki.partitions import FULL
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, StandingChanged
from servicecert_worker.core.decider import Event, Facts, Task
from servicecert_worker.core.published import PublishedEvents, event_id, intent_id

from .crl_orders import CONFIRM, PUBLISH, Confirmed, Published, PublishedCrl, PublishOrder
from .responders import CERTIFY, Certified, CertifyOrder, Drafted

_MOST_CAS = 100
"""More than an environment has CAs."""


def recalled_facts(event: Event, published: PublishedEvents) -> Facts | None:
    """Return the orders that followed from a responder's request, in their order: ids of intents depend on it."""
    if not isinstance(event.data, ResponderRequested):
        return None
    certified = [each for each in published.of(event.key) if isinstance(each.data, ResponderCertified)]
    ids = [event_id(intent_id(event.id, CERTIFY, place), ResponderCertified.TYPE, 0) for place in range(_MOST_CAS)]
    certified.sort(key=lambda each: ids.index(each.id) if each.id in ids else _MOST_CAS)
    orders = tuple(_order(each.data) for each in certified if isinstance(each.data, ResponderCertified))
    return Drafted(orders) if orders else None


def _order(certified: ResponderCertified) -> CertifyOrder:
    return CertifyOrder(
        environment=certified.environment,
        key_sha256=certified.key_sha256,
        issuer=certified.issuer,
        serial=certified.serial,
        not_after=certified.not_after,
        tbs=der.parts(b64decode(certified.certificate))[0],
    )


def recalled_result(task: Task, published: PublishedEvents, interval: timedelta) -> BaseModel | None:
    """Return what came of an intent. `interval` is that between scheduled CRLs."""
    if task.kind == PUBLISH:
        return _listed(task.id, task.key, task.data, published, interval)
    if task.kind == CONFIRM:
        revoked = next(published.all_following(task.id, CertificateRevoked), None)
        return None if revoked is None else Confirmed(**dict(task.data), confirmed_at=revoked.time)
    if task.kind == CERTIFY:
        for each in published.of(task.key):
            if isinstance(each.data, ResponderCertified) and each.data.serial == task.data.serial:
                certificate, issuer = b64decode(each.data.certificate), b64decode(each.data.issuer_certificate)
                return Certified(
                    **dict(task.data), certificate=certificate, issuer_certificate=issuer, count=each.data.count
                )
    return None


def _listed(
    id: UUID, key: str, order: PublishOrder, published: PublishedEvents, interval: timedelta
) -> Published | None:
    """Return the CRL that served an order, and those that it announced.

    It is the one that the certificate's mail names, or else the newest of its partition when that was listed.
    """
    announced = [(_crl(each.data), each.time) for each in published.all_following(id, CrlPublished)]
    revoked = next(
        (
            each.data
            for each in published.of(key)
            if isinstance(each.data, CertificateRevoked) and each.data.request_id == order.request_id
        ),
        None,
    )
    if order.serial is None:
        serving = next(((crl, time) for crl, time in announced if crl.partition == FULL), None)
    elif (standing := next(published.all_following(id, StandingChanged), None)) is None:
        serving = None
    else:
        crls = [
            (_crl(each.data), each.time)
            for partition in dict.fromkeys((order.partition, FULL))
            for each in published.of(f"crl/{order.issuer}/{partition}")
            if isinstance(each.data, CrlPublished)
        ]
        if revoked is not None:
            serving = next(((crl, time) for crl, time in crls if crl.number == revoked.crl_number), None)
        else:
            serving = max((it for it in crls if it[1] <= standing.time), key=lambda it: it[1], default=None)
    if serving is None:
        return None
    crl, time = serving
    return Published(
        issuer=order.issuer,
        crl=crl,
        announced=tuple(crl for crl, _ in announced),
        next_planned=crl.this_update + interval,
        published_at=time if revoked is None else revoked.published_at,
        request_id=order.request_id,
    )


def _crl(event: EventData) -> PublishedCrl:
    return PublishedCrl(**event.model_dump(exclude={"issuer"}))
