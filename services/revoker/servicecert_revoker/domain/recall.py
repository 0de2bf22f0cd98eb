"""What the revoker drew, published and signed before, by the events that it published: for a replay. Pure.

A replay publishes no CRL. A CRL that the topics announce counts as published; where they do not, the order stays open,
and the first worker publishes one with a higher number.
"""

from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta

from pydantic import BaseModel
from servicecert_pki import der
from servicecert_pki.partitions import FULL
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, StandingChanged
from servicecert_worker.core.decider import Event, Facts, Task
from servicecert_worker.core.published import PublishedEvent, PublishedEvents, event_id, intent_id

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
    certificate = b64decode(certified.certificate)
    tbs = next(der.members(certificate, der.read(certificate)))
    return CertifyOrder(
        environment=certified.environment,
        key_sha256=certified.key_sha256,
        issuer=certified.issuer,
        serial=certified.serial,
        not_after=certified.not_after,
        tbs=certificate[tbs.start : tbs.end],
    )


def recalled_result(task: Task, published: PublishedEvents, interval: timedelta) -> BaseModel | None:
    """Return what came of an intent. `interval` is that between scheduled CRLs."""
    match task.kind:
        case kind if kind == PUBLISH:
            return _listed(task, published, interval)
        case kind if kind == CONFIRM:
            return next(
                (
                    Confirmed(**dict(task.data), confirmed_at=each.time)
                    for each in published.following(task.id)
                    if isinstance(each.data, CertificateRevoked)
                ),
                None,
            )
        case kind if kind == CERTIFY:
            return next(
                (
                    Certified(
                        **dict(task.data),
                        certificate=b64decode(each.data.certificate),
                        issuer_certificate=b64decode(each.data.issuer_certificate),
                        count=each.data.count,
                    )
                    for each in published.of(task.key)
                    if isinstance(each.data, ResponderCertified) and each.data.serial == task.data.serial
                ),
                None,
            )
    return None


def _listed(task: Task, published: PublishedEvents, interval: timedelta) -> Published | None:
    """Return the CRL that served an order, and those that it announced."""
    order: PublishOrder = task.data
    announced = tuple(published.all_following(task.id, CrlPublished))
    if order.serial is None:
        full = next((each for each in announced if _crl(each).partition == FULL), None)
        serving = full
    else:
        standing = next(iter(published.all_following(task.id, StandingChanged)), None)
        serving = None if standing is None else _serving(task, published, standing)
    if serving is None:
        return None
    crl = _crl(serving)
    return Published(
        issuer=order.issuer,
        crl=crl,
        announced=tuple(map(_crl, announced)),
        next_planned=crl.this_update + interval,
        published_at=serving.time if (revoked := _revoked(task, published)) is None else revoked.published_at,
        request_id=order.request_id,
    )


def _serving(task: Task, published: PublishedEvents, standing: PublishedEvent) -> PublishedEvent | None:
    """Return the CRL that its mail names, or else the newest of its partition when the certificate was listed."""
    order: PublishOrder = task.data
    crls = list(_crls(order, published))
    if (revoked := _revoked(task, published)) is not None:
        return next((each for each in crls if _crl(each).number == revoked.crl_number), None)
    return max((each for each in crls if each.time <= standing.time), key=lambda each: each.time, default=None)


def _revoked(task: Task, published: PublishedEvents) -> CertificateRevoked | None:
    """Return the event that an order's certificate is revoked."""
    return next(
        (
            each.data
            for each in published.of(task.key)
            if isinstance(each.data, CertificateRevoked) and each.data.request_id == task.data.request_id
        ),
        None,
    )


def _crls(order: PublishOrder, published: PublishedEvents) -> Iterator[PublishedEvent]:
    """Yield the published CRLs that cover an order, those of its partition first."""
    for partition in dict.fromkeys((order.partition, FULL)):
        yield from (
            each for each in published.of(f"crl/{order.issuer}/{partition}") if isinstance(each.data, CrlPublished)
        )


def _crl(event: PublishedEvent) -> PublishedCrl:
    assert isinstance(event.data, CrlPublished)
    return PublishedCrl(**event.data.model_dump(exclude={"issuer"}))
