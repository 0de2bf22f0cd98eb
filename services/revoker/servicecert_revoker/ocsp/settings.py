"""The OCSP responder's settings, from environment variables that are named by the aliases."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from servicecert_pki.signing_settings import HttpUrl
from servicecert_worker.process.connections import Proxies
from servicecert_worker.runtime.settings import ReaderSettings


class Settings(ReaderSettings):
    """Any number of responders may serve at one host and port."""

    ocsp_host: Annotated[
        str,
        Field(
            alias="SERVICECERT_OCSP_HOST", description="the address that answers OCSP; all of the machine's when empty"
        ),
    ] = ""
    ocsp_port: Annotated[
        int,
        Field(
            alias="SERVICECERT_OCSP_PORT",
            ge=0,
            le=65_535,
            description="its port, which several responders on one machine share",
        ),
    ] = 8081
    ocsp_ca_certificates: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_OCSP_CA_CERTIFICATES",
            description="a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`; the responder works for "
            "no other CA",
        ),
    ] = None
    ocsp_crl_url: Annotated[
        HttpUrl,
        Field(
            alias="SERVICECERT_OCSP_CRL_URL",
            description="where the responder fetches the CAs' full CRLs, `<CA>.crl`, as http://host: what they list is "
            "revoked, whatever Kafka says",
        ),
    ]
    ocsp_validity_minutes: Annotated[
        int,
        Field(
            alias="SERVICECERT_OCSP_VALIDITY_MINUTES",
            ge=2,
            le=24 * 60,
            description="validity of an answer in minutes (thisUpdate to nextUpdate), and how long answers continue "
            "without Kafka",
        ),
    ] = 240
    ocsp_cache_seconds: Annotated[
        int,
        Field(
            alias="SERVICECERT_OCSP_CACHE_SECONDS",
            ge=0,
            le=24 * 3600,
            description="seconds that HTTP caches may keep an answer, and so may hide a revocation",
        ),
    ] = 30
    ocsp_kept: Annotated[
        int,
        Field(
            alias="SERVICECERT_OCSP_KEPT",
            ge=1,
            description="how many signed answers are cached, some 2 KB each; others are signed on request",
        ),
    ] = 100_000

    ocsp_signed_per_second: Annotated[
        float,
        Field(
            alias="SERVICECERT_OCSP_SIGNED_PER_SECOND",
            gt=0,
            le=100_000,
            description="how many answers a second each client address may have signed anew (with a nonce, about an "
            "unknown serial number, about several), after ten times as many at once; beyond it `tryLater`",
        ),
    ] = 20
    proxy_networks: Annotated[
        str,
        Field(
            alias="SERVICECERT_PROXY_NETWORKS",
            description="the networks of the proxies in front of CRLs and OCSP, such as 10.0.0.0/8: only they may have "
            "more connections than one client, and only their X-Forwarded-For counts",
        ),
    ] = ""

    @field_validator("proxy_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        try:
            Proxies.of(text)
        except ValueError:
            raise ValueError("give networks, separated by commas, such as 10.0.0.0/8,fd00::/8") from None
        return text

    @property
    def proxies(self) -> Proxies:
        return Proxies.of(self.proxy_networks)

    @property
    def validity(self) -> timedelta:
        return timedelta(minutes=self.ocsp_validity_minutes)
