"""Who loads the registers, and the ids of the events that say how an entry stands."""

from uuid import UUID, uuid5

from servicecert_schemas.register import RegisterEntry

SOURCE = "/registers-loader"
_EVENT_IDS = UUID("6f0f3c1c-8a4d-5b59-9d0a-6d3b0c7f5e21")


def event_id(entry: RegisterEntry) -> UUID:
    """The id of the event that says how an entry stands: the same for the same content, so that a repeated load repeats its events."""
    return uuid5(_EVENT_IDS, entry.model_dump_json())
