"""The OCSP responder's settings, from environment variables that are named by the aliases."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator
from servicecert_pki.partitions import HttpUrl
from servicecert_worker.process.connections import Proxies
from servicecert_worker.runtime.settings import ReaderSettings


class Settings(ReaderSettings):
    """Any number of responders may serve at one host and port."""

    ocsp_host: str = Field("", alias="SERVICECERT_OCSP_HOST")
    """the address that answers OCSP; all of the machine's when empty"""
    ocsp_port: int = Field(8081, alias="SERVICECERT_OCSP_PORT", ge=0, le=65_535)
    """its port, which several responders on one machine share"""
    ocsp_ca_certificates: Path | None = Field(None, alias="SERVICECERT_OCSP_CA_CERTIFICATES")
    """a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`; the responder works for no other CA"""
    ocsp_crl_url: HttpUrl = Field(alias="SERVICECERT_OCSP_CRL_URL")
    """where the responder fetches the CAs' full CRLs, `<CA>.crl`, as http://host: what they list is revoked, whatever
    Kafka says
    """
    ocsp_validity_minutes: int = Field(240, alias="SERVICECERT_OCSP_VALIDITY_MINUTES", ge=2, le=24 * 60)
    """validity of an answer in minutes (thisUpdate to nextUpdate), and how long answers continue without Kafka"""
    ocsp_cache_seconds: int = Field(30, alias="SERVICECERT_OCSP_CACHE_SECONDS", ge=0, le=24 * 3600)
    """seconds that HTTP caches may keep an answer, and so may hide a revocation"""
    ocsp_kept: int = Field(100_000, alias="SERVICECERT_OCSP_KEPT", ge=1)
    """how many signed answers are cached, some 2 KB each; others are signed on request"""

    ocsp_signed_per_second: float = Field(20, alias="SERVICECERT_OCSP_SIGNED_PER_SECOND", gt=0, le=100_000)
    """how many answers a second each client address may have signed anew (with a nonce, about an unknown serial number,
    about several), after ten times as many at once; beyond it `tryLater`
    """
    proxy_networks: str = Field("", alias="SERVICECERT_PROXY_NETWORKS")
    """the networks of the proxies in front of CRLs and OCSP, such as 10.0.0.0/8: only they may have more connections
    than one client, and only their X-Forwarded-For counts
    """

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
