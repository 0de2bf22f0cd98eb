-- A row whose version moved is not saved and not counted. An entry changes only with the request that gave its reason.
with saved as (
    insert into statuses as s (key, version, standing, issuer, serial, partition, certificate, asked)
    select key, version + 1, standing::standing, issuer, serial, partition, certificate::jsonb, asked::jsonb
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[])
        as n (key, version, standing, issuer, serial, partition, certificate, asked)
    on conflict (key) do update
        set version = excluded.version, standing = excluded.standing, issuer = excluded.issuer, serial = excluded.serial,
            partition = excluded.partition, certificate = excluded.certificate, asked = excluded.asked
        where s.version = excluded.version - 1
    returning 1
),
entered as (
    insert into revocations as r (issuer, serial, partition, key, request_id, reason, requested_at, due, revoked_at, invalid_since, not_after, entry)
    select * from unnest($9::text[], $10::text[], $11::int[], $12::text[], $13::uuid[], $14::text[], $15::timestamptz[], $16::timestamptz[],
                         $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bytea[])
    on conflict (issuer, serial) do update
        set request_id = excluded.request_id, reason = excluded.reason, invalid_since = excluded.invalid_since, entry = excluded.entry
        where r.request_id <> excluded.request_id
)
select count(*) from saved
