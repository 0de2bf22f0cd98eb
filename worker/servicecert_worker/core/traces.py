"""Trace contexts: where a trace begins, and which ids its spans have. Pure.

A context is a `traceparent` of W3C Trace Context section 3.2: version, trace, span, flags. All ids follow from what a
span is about, so a repeated act repeats its span, and the spans of several processes join without being stored.
"""

from collections.abc import Callable
from hashlib import sha256
from uuid import UUID, uuid5

Sampler = Callable[[str | None, str], bool]
"""Whether to record a trace: gets the context that was given, None if the trace begins here, and the trace's id."""

_SAMPLED = 0x01
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


def is_case(key: str) -> bool:
    """Return whether a key is a case's id, and so not personal, whatever record has it."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False


def trace_of(context: str) -> str:
    """Return a context's trace, 32 hexadecimal digits."""
    return context[3:35]


def span_of(context: str) -> str:
    """Return a context's span, 16 hexadecimal digits."""
    return context[36:52]


def is_sampled(context: str | None) -> bool:
    """Return whether spans of a context are recorded: its flag says so."""
    return context is not None and bool(int(context[53:], 16) & _SAMPLED)


def root(name: str, *, sampled: bool) -> str:
    """Return the context of a trace that begins here: its id follows from what it is about.

    Its span is the first half of the trace, and stands for "no parent". Samplers by ratio count on a trace's last bits
    being random, which those of a UUID are not: hence a hash.
    """
    trace = sha256(name.encode()).hexdigest()[:32]
    return f"00-{trace}-{trace[:16]}-{sampled:02x}"


def has_parent(context: str) -> bool:
    """Return whether a span with this context as its cause has a parent: not if the trace begins with it."""
    return span_of(context) != trace_of(context)[:16]


def as_given(given: str | None, _trace: str) -> bool:
    """The sampler of a process that records nothing: the flag stays as given, and new traces have none."""
    return is_sampled(given)


def admitted(given: str | None, name: str, sampler: Sampler) -> str:
    """Return the context that a record is handled in: the one it came with, else that of the trace of this name.

    The sampler decides its flag, which decides for all that follows.
    """
    if given is None or trace_of(given) == _NO_TRACE or span_of(given) == _NO_SPAN:
        begun = root(name, sampled=False)
        return begun[:53] + f"{sampler(None, trace_of(begun)):02x}"
    flags = int(given[53:], 16)
    return given[:53] + f"{flags | _SAMPLED if sampler(given, trace_of(given)) else flags & ~_SAMPLED:02x}"


def child(context: str | None, identity: UUID) -> str | None:
    """Return the context of a span below this one, with the id that follows from `identity`."""
    return None if context is None else f"00-{trace_of(context)}-{identity.hex[:16]}-{context[53:]}"


def handling(context: str | None, identity: UUID, service: str) -> str | None:
    """Return the context of a service's handling of an item with this id, the parent of all that follows from it."""
    return None if context is None else child(context, uuid5(identity, f"handled/{service}"))


def log_fields(context: str | None, key: str) -> dict[str, str]:
    """Return the log fields of a line about an event, intent or deadline: its trace and its case."""
    return {**({} if context is None else {"trace": trace_of(context)}), **({"case": key} if is_case(key) else {})}
