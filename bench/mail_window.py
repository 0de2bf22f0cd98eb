"""The time between a mail's acceptance by the server and its commit: a crash within it sends it twice (C3, I9)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicecert_cli.stand.system import System

from bench.results import keep, percentiles
from bench.stand import connected

LIMIT_MS = {"p50": 50.0, "p99": 250.0}

_NOTE = """
create unlogged table if not exists public.mail_window (ms double precision not null);
grant insert on public.mail_window to public;
create or replace function public.note_mail_window() returns trigger language plpgsql as $$
begin
    insert into public.mail_window values (
        1000 * extract(epoch from clock_timestamp() - (convert_from(new.result, 'UTF8')::json ->> 'at')::timestamptz)
    );
    return null;
end
$$;
-- A deferred constraint is checked when the transaction is about to be committed.
drop trigger if exists mail_window on notifier.intents;
create constraint trigger mail_window after update on notifier.intents deferrable initially deferred
    for each row when (new.result is not null) execute function public.note_mail_window();
"""


@asynccontextmanager
async def watched_window(system: System, rate: int) -> AsyncIterator[None]:
    """Measure for each mail the time between the server's answer and the commit of its result."""
    async with connected(system.backends.admin_url) as connection:
        await connection.execute(_NOTE)
        yield
        times = await connection.fetch("delete from public.mail_window returning ms")
    for name, value in percentiles(row["ms"] for row in times).items():
        keep(f"mail-window-{rate}-{name}", value, "ms", "limit at 50/s", LIMIT_MS[name])
