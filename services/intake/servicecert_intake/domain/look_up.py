"""What is asked and found where an application follows a certificate (A14)."""

from pydantic import BaseModel

from .rules.renewal import Followed

LOOK_UP = "look-up"
"""The act that looks it up."""


class LookUp(BaseModel):
    """Whose certificate, and its serial number as it was typed."""

    account_id: str
    typed: str


class LookedUp(BaseModel):
    """What was found."""

    followed: Followed
