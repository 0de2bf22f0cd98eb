-- name: block
-- Block keys, and void the intents with them that are not signed yet.
with blocked as (
    insert into blocked_keys (key_sha256) select unnest($1::text[]) on conflict do nothing
)
insert into unwanted (key, reason)
select distinct c.key, 'the key is compromised'
from intents as i join certificates as c on c.key = i.key
where i.kind = 'sign' and c.key_sha256 = any($1::text[])
on conflict do nothing

-- name: count_refused
select refusal as code, count(*) as count from certificates where state = 'refused' group by refusal order by count(*) desc, refusal

-- name: count_serials
select issuer,
       count(*) filter (where serial is not null) as allocated,
       count(*) filter (where state = 'issued') as issued,
       count(*) filter (where state = 'voided') as void,
       count(*) filter (where state = 'intended') as open,
       count(*) filter (where state = 'stopped') as stopped,
       max(ended_at) filter (where state = 'issued') as last_issued,
       min(begun_at) filter (where state = 'intended') as open_since
from certificates where issuer is not null
group by issuer order by issuer

-- name: load
select key, version, state::text as state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
       business_id, sign_by, "grant"::text as "grant", certificate, refusal, application::text as application, findings::text as findings,
       application_sha256, record,
       case when u.key is not null then case when b.key_sha256 is null then 'operator' else 'key-compromised' end end as unwanted
from certificates left join unwanted as u using (key) left join blocked_keys as b using (key_sha256) where key = any($1::text[])

-- name: lock_blocked
select pg_advisory_xact_lock(lock_of('blocked/' || key_sha256)) from unnest($1::text[]) as k (key_sha256)

-- name: open_acts
select a.key, a.data, c.tbs, c.issuer from acts_to_sign a join certificates c on c.key = a.key where c.state = 'intended'

-- name: recheck_begin
-- The current run, or a new one.
with begun as (
    insert into rechecks default values
    on conflict ((true)) where ended_at is null do update set position = rechecks.position
    returning id, position, good, bad
)
select id, position, good, bad from begun

-- name: recheck_part
select key, issuer, serial, not_before, not_after, key_sha256, tbs, certificate
from certificates where state = 'issued' and key > $1 and not_after > now() order by key limit $2

-- name: recheck_store
-- Store the result of the part of run $1 that begins at $2, unless it is stored already. Return whether it was stored.
with stored as (
    update rechecks
    set position = $3, good = good + $4, bad = bad + $5, ended_at = case when $6 then clock_timestamp() end
    where id = $1 and position = $2 and ended_at is null
    returning id
),
found as (
    insert into recheck_findings (recheck, key, issuer, serial, codes)
    select stored.id, key, issuer, serial, string_to_array(codes, ' ')
    from stored, unnest($7::text[], $8::text[], $9::text[], $10::text[]) as f (key, issuer, serial, codes)
    on conflict do nothing
)
select exists (select from stored)

-- name: reconcile
-- All differences within the tables, a row for each: code, case, words.
select 'never-finished' as what, c.key,
       'is intended, and no act is open that would sign or end it' as words
from certificates c where c.state = 'intended' and not exists (select from intents i where i.key = c.key and i.kind = 'sign')
union all
select 'nothing-intended', i.key, 'has an act open that signs, and is not intended'
from intents i left join certificates c on c.key = i.key where i.kind = 'sign' and c.state is distinct from 'intended'
union all
select 'late', c.key, 'should have been signed or void by ' || to_char(c.sign_by at time zone 'utc', 'YYYY-MM-DD HH24:MI') || ' UTC'
from certificates c join intents i on i.key = c.key and i.kind = 'sign' where c.state = 'intended' and c.sign_by < now()
union all
-- A certificate is a sequence with four octets of header, and then the bytes that were signed (RFC 5280, 4.1).
select 'other-bytes', c.key, 'is issued with other bytes than were intended'
from certificates c where c.state = 'issued' and substring(c.certificate from 5 for length(c.tbs)) is distinct from c.tbs
union all
select 'other-serial', c.key, 'was intended with another serial number than is recorded'
from certificates c where c.serial is not null and position(decode(c.serial, 'hex') in substring(c.tbs from 1 for 40)) = 0
union all
select 'twice', string_agg(c.key, ', ' order by c.key), 'have one serial number of ' || c.issuer
from certificates c where c.serial is not null group by c.issuer, c.serial having count(*) > 1
order by 1, 2

-- name: reconcile_accepted
-- The applications that intake did not accept, according to its audit (F2), a row for each: code, case, words. Who has intake's key can sign one, and not
-- write there. What was accepted before the audit named the application counts for whatever it was.
with accepted as materialized (
    select key, event #>> '{facts,application_sha256}' as application_sha256
    from (
        select key, case when entry is json then entry::jsonb end as entry
        from intake.audit where entry like '%"servicecert.application.accepted.%'
    ) as decided,
    jsonb_path_query(entry, '$.events[*] ? (@.type starts with "servicecert.application.accepted.")') as event
)
select 'not-accepted' as what, key, 'has an application that intake did not accept, according to its audit' as words
from certificates as c
where (serial is not null or application_sha256 is not null) and not exists (
    select from accepted as a where a.key = c.key and coalesce(a.application_sha256 = c.application_sha256, true)
)
order by key

-- name: reconcile_audit
-- All differences between certificates and audit (B6), a row for each: code, case, words.
with entries as materialized (
    select key, case when entry is json then entry::jsonb end as entry from audit where entry like '%"sign"%'
),
intended as materialized (
    select key, act ->> 'id' as id, act #>> '{facts,issuer}' as issuer, act #>> '{facts,tbs_sha256}' as tbs_sha256
    from entries, jsonb_path_query(entry, '$.intents[*] ? (@.kind == "sign")') as act
),
signed as materialized (
    select key, entry #>> '{happened,id}' as id, entry #>> '{happened,facts,fingerprint}' as fingerprint
    from entries where entry #>> '{happened,result}' = 'sign' and entry #>> '{happened,facts,fingerprint}' is not null
),
kept as materialized (
    select key, issuer, encode(sha256(tbs), 'hex') as tbs_sha256, encode(sha256(certificate), 'hex') as fingerprint
    from certificates where serial is not null
)
select 'not-audited' as what, key, 'has a serial number, but the audit has no record of its intent' as words
from (select key, issuer, tbs_sha256 from kept except select key, issuer, tbs_sha256 from intended) as it
union all
select 'gone', key, 'was intended according to the audit, but its certificate was deleted or changed'
from (select key, issuer, tbs_sha256 from intended except select key, issuer, tbs_sha256 from kept) as it
union all
select 'end-not-audited', key, 'is issued, but the audit has no record of its signature'
from (select key, fingerprint from kept where fingerprint is not null except select key, fingerprint from signed) as it
union all
select 'not-decided', key, 'was signed, but the audit has no record of its intent'
from (select key, id from signed except select key, id from intended) as it
order by 1, 2

-- name: recorded
select issuer, serial, state::text as state, encode(sha256(certificate), 'hex') as fingerprint from certificates where key = $1

-- name: save
-- Insert new cases, update stopped ones, and add the end of intended ones. A row whose version has changed is not counted.
-- Keys are claimed in order, so that two turns cannot deadlock.
with states as (
    select *
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::int[], $9::int[], $10::timestamptz[],
                $11::timestamptz[], $12::text[], $13::text[], $14::timestamptz[], $15::text[], $16::text[], $17::text[], $18::text[],
                $19::text[], $20::text[], $21::bytea[])
        as b (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, business_id,
              sign_by, "grant", refusal, application, findings, application_sha256, record, certificate)
    order by key_sha256
),
begun as (
    insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
                              business_id, sign_by, "grant", refusal, application, findings, application_sha256, record)
    select key, 1, state::certificate_state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
           coalesce(business_id, ''), coalesce(sign_by, now()), "grant"::jsonb, refusal, application::jsonb, findings::jsonb,
           application_sha256, record
    from states where version = 0 and state not in ('issued', 'voided')
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
    from states as g
    where g.version > 0 and g.state not in ('issued', 'voided') and c.key = g.key and c.version = g.version
    returning 1
),
ended as (
    update certificates as c
    set version = c.version + 1, state = i.state::certificate_state, certificate = i.certificate, refusal = i.refusal, ended_at = now()
    from states as i
    where i.state in ('issued', 'voided') and c.key = i.key and c.version = i.version
    returning 1
)
select (select count(*) from begun) + (select count(*) from resumed) + (select count(*) from ended)

-- name: stopped
select key, issuer, application ->> 'type' as type,
       (select string_agg(found, ', ') from jsonb_array_elements_text(findings) as found) as findings, begun_at as since
from certificates where application is not null and ($1::text is null or key = $1) order by begun_at

-- name: voids
-- The serial numbers void for 24 hours: all of them are revoked by now (D4).
select key, issuer, serial from certificates where state = 'voided' and ended_at < now() - interval '24 hours'
