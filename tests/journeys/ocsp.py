"""Asks a running OCSP responder, as a relying party does."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_client import OcspQuery


async def ocsp_status(ocsp_url: str, issuer: IssuerInfo, serial: int, *, often: bool = False) -> OCSPCertStatus:
    """Return the responder's status of a serial number, from a valid response to a new query. Raises OcspUnsound.

    Who asks `often` asks without a nonce: new signatures for one client are limited (F5).
    """
    question = OcspQuery(issuer, serial, None if often else uuid4().bytes * 2)
    async with (
        aiohttp.ClientSession(headers={"Content-Type": "application/ocsp-request"}) as session,
        session.post(ocsp_url, data=question.request()) as response,
    ):
        answer = await response.read()
    question.is_revoked(answer, datetime.now(UTC))
    return load_der_ocsp_response(answer).certificate_status
