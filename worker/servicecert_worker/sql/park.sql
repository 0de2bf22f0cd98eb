-- Parks records, each behind those of its key that are parked already; one that was parked before keeps its place.
with unhandled as (delete from inbox where event_id = any($2::uuid[]))
insert into parked (seq, event_id, key, topic, partition, "offset", record_key, headers, value, type,
                    culprit, reason, error, attempts, first_at, last_at)
overriding system value
select coalesce(p.seq, nextval(pg_get_serial_sequence('parked', 'seq'))),
       p.event_id, p.key, p.topic, p.partition, p."offset", p.record_key, p.headers, p.value, p.type,
       p.culprit, p.reason, p.error, p.attempts, p.first_at, p.last_at
from (
    select * from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bytea[], $8::jsonb[],
                         $9::bytea[], $10::text[], $11::bool[], $12::text[], $13::text[], $14::int[],
                         $15::timestamptz[], $16::timestamptz[])
        with ordinality as p (seq, event_id, key, topic, partition, "offset", record_key, headers, value, type,
                              culprit, reason, error, attempts, first_at, last_at, place)
    order by place
) p
on conflict (event_id) do nothing
