-- What begins is inserted, what is signed is added to the row that intended it; a row whose version moved is not returned.
with begun as (
    insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition,
                              not_before, not_after, key_sha256, "grant", refusal)
    select key, 1, state::certificate_state, issuer, serial, tbs, profile, profile_version, partition,
           not_before, not_after, key_sha256, "grant"::jsonb, refusal
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::int[], $8::int[],
                $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[])
        as b (key, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, "grant", refusal)
    on conflict (key) do nothing
    returning 1
),
issued as (
    update certificates as c
    set version = c.version + 1, state = 'issued', certificate = i.certificate
    from unnest($14::text[], $15::int[], $16::bytea[]) as i (key, version, certificate)
    where c.key = i.key and c.version = i.version
    returning 1
)
select (select count(*) from begun) + (select count(*) from issued)
