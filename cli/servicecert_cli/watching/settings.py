"""The settings of the exporter and of the canary, from environment variables that are named by the aliases."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from servicecert_schemas.values import BusinessId, EmailAddress, Text
from servicecert_worker.runtime.settings import DatabaseSettings, ProcessSettings, ReaderSettings


class LagSettings(ProcessSettings, DatabaseSettings):
    """Without `DATABASE_URL` there are no figures of the tables."""

    seconds: float = Field(10.0, alias="SERVICECERT_LAG_SECONDS", ge=0.5, le=300)
    """seconds between two looks"""
    window: int = Field(30, alias="SERVICECERT_LAG_WINDOW", ge=2, le=1_000)
    """how many looks a verdict on a partition is about (ok, behind, stalled, stopped)"""
    groups: Annotated[re.Pattern[str] | None, BeforeValidator(lambda text: text or None)] = Field(
        None, alias="SERVICECERT_LAG_GROUPS"
    )
    """a regular expression of whole names of consumer groups of others that are looked at, too, at most 50; the login
    needs Describe on them
    """
    cluster_name: str = Field("servicecert", alias="SERVICECERT_CLUSTER_NAME")
    """the label cluster_name of the lag's metrics"""


class CanarySettings(ReaderSettings):
    """The organisation of the defaults is in the fictitious registers."""

    mail: EmailAddress = Field(alias="SERVICECERT_CANARY_MAIL")
    """the address that gets the canary's mails, such as canary@authority.example: a mailbox of its own, which nobody
    reads
    """
    ca_certificates: Path = Field(alias="SERVICECERT_CANARY_CA_CERTIFICATES")
    """a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`: the canary's must be signed by one of them
    """
    seconds: int = Field(300, alias="SERVICECERT_CANARY_SECONDS", ge=10, le=86_400)
    """seconds from the start of one run to that of the next"""
    stage_seconds: int = Field(120, alias="SERVICECERT_CANARY_STAGE_SECONDS", ge=1, le=3_600)
    """the longest that a stage of a run may take; then the run has failed"""
    business_id: BusinessId = Field("9900099-0", alias="SERVICECERT_CANARY_BUSINESS_ID")
    """the organisation that the canary applies for"""
    unit: Text = Field("Varmennepalvelun kanarialintu", alias="SERVICECERT_CANARY_UNIT")
    """the long name of its unit, as the registers have it"""
