-- All that a turn decided, in one round trip, with its rows of the audit chain $22. $1 is the moment, $2 the owner of the intents, $3 the channel that
-- wakes the relay, or ''.
with published as (
    insert into outbox (topic, key, event_id, type, traceparent, payload, at)
    select topic, key, event_id, type, traceparent, payload, $1
    from unnest($4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::bytea[])
        with ordinality as o (topic, key, event_id, type, traceparent, payload, place)
    order by place
),
intended as (
    insert into intents (id, key, kind, data, traceparent, owner, since)
    select id, key, kind, data, traceparent, $2, $1
    from unnest($10::uuid[], $11::text[], $12::text[], $13::bytea[], $14::text[])
        as i (id, key, kind, data, traceparent)
),
armed as (
    insert into deadlines (id, key, kind, at, traceparent)
    select id, key, kind, at, traceparent
    from unnest($15::uuid[], $16::text[], $17::text[], $18::timestamptz[], $19::text[])
        as d (id, key, kind, at, traceparent)
    order by key, kind
    on conflict (key, kind) do update set id = excluded.id, at = excluded.at, traceparent = excluded.traceparent
),
cancelled as (
    delete from deadlines using unnest($20::text[], $21::text[]) as c (key, kind)
    where deadlines.key = c.key and deadlines.kind = c.kind
),
audited as (
    insert into audit (chain, seq, at, key, entry, hash, salt)
    select $22, seq, $1, key, entry, hash, salt
    from unnest($23::bigint[], $24::text[], $25::text[], $26::bytea[], $27::bytea[]) as a (seq, key, entry, hash, salt)
)
select pg_notify($3, '') where $3 <> ''
