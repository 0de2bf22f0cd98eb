-- Parks records, each behind those of its key that are parked already. One that is parked comes to its place once.
with unhandled as (delete from inbox where event_id = any($1::uuid[]))
insert into parked (event_id, key, topic, partition, "offset", record_key, headers, value, type,
                    culprit, reason, error, attempts, first_at, last_at)
select p.event_id, p.key, p.topic, p.partition, p."offset", p.record_key, p.headers, p.value, p.type,
       p.culprit, p.reason, p.error, p.attempts, p.first_at, p.last_at
from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bytea[], $7::jsonb[], $8::bytea[], $9::text[],
            $10::bool[], $11::text[], $12::text[], $13::int[], $14::timestamptz[], $15::timestamptz[])
    with ordinality as p (event_id, key, topic, partition, "offset", record_key, headers, value, type,
                          culprit, reason, error, attempts, first_at, last_at, place)
order by p.place
on conflict (event_id) do nothing
