"""The canary's settings, from environment variables that are named by the aliases."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from servicecert_schemas.values import BusinessId, EmailAddress, Text
from servicecert_worker.runtime.settings import ReaderSettings


class Settings(ReaderSettings):
    """The organisation of the defaults is in the fictitious registers."""

    mail: Annotated[
        EmailAddress,
        Field(
            alias="SERVICECERT_CANARY_MAIL",
            description="the address that gets the canary's mails, such as canary@authority.example: a mailbox of its "
            "own, which nobody reads",
        ),
    ]
    ca_certificates: Annotated[
        Path,
        Field(
            alias="SERVICECERT_CANARY_CA_CERTIFICATES",
            description="a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`: the canary's must be "
            "signed by one of them",
        ),
    ]
    seconds: Annotated[
        int,
        Field(
            alias="SERVICECERT_CANARY_SECONDS",
            ge=10,
            le=86_400,
            description="seconds from the start of one run to that of the next",
        ),
    ] = 300
    stage_seconds: Annotated[
        int,
        Field(
            alias="SERVICECERT_CANARY_STAGE_SECONDS",
            ge=1,
            le=3_600,
            description="the longest that a stage of a run may take; then the run has failed",
        ),
    ] = 120
    business_id: Annotated[
        BusinessId,
        Field(alias="SERVICECERT_CANARY_BUSINESS_ID", description="the organisation that the canary applies for"),
    ] = "9900099-0"
    unit: Annotated[
        Text,
        Field(alias="SERVICECERT_CANARY_UNIT", description="the long name of its unit, as the registers have it"),
    ] = "Varmennepalvelun kanarialintu"
