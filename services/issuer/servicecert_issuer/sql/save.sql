-- What begins is inserted, what was stopped and goes on is changed, what ends is added to the row that intended it. A row whose version moved is
-- not counted. Keys are claimed in their order, so that two turns never wait for each other.
with given as (
    select *
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::int[], $9::int[], $10::timestamptz[],
                $11::timestamptz[], $12::text[], $13::text[], $14::timestamptz[], $15::text[], $16::text[], $17::text[], $18::text[])
        as b (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, business_id,
              sign_by, "grant", refusal, application, findings)
    order by key_sha256
),
begun as (
    insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
                              business_id, sign_by, "grant", refusal, application, findings)
    select key, 1, state::certificate_state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
           coalesce(business_id, ''), coalesce(sign_by, now()), "grant"::jsonb, refusal, application::jsonb, findings::jsonb
    from given where version = 0
    on conflict (key) do nothing
    returning 1
),
resumed as (
    update certificates as c
    set version = c.version + 1, state = g.state::certificate_state, issuer = g.issuer, serial = g.serial, tbs = g.tbs, profile = g.profile,
        profile_version = g.profile_version, partition = g.partition, not_before = g.not_before, not_after = g.not_after,
        key_sha256 = g.key_sha256, business_id = coalesce(g.business_id, ''),
        sign_by = coalesce(g.sign_by, now()), "grant" = g."grant"::jsonb, refusal = g.refusal,
        application = g.application::jsonb, findings = g.findings::jsonb, begun_at = now()
    from given as g
    where g.version > 0 and c.key = g.key and c.version = g.version
    returning 1
),
ended as (
    update certificates as c
    set version = c.version + 1, state = i.state::certificate_state, certificate = i.certificate, refusal = i.refusal, ended_at = now()
    from unnest($19::text[], $20::int[], $21::text[], $22::bytea[], $23::text[]) as i (key, version, state, certificate, refusal)
    where c.key = i.key and c.version = i.version
    returning 1
)
select (select count(*) from begun) + (select count(*) from resumed) + (select count(*) from ended)
