-- name: allocate
-- Greater than every allocated number, and than the published one ($2), in case the table was restored from a backup. Each pass
-- makes a full CRL, so its numbers are all that there are.
insert into crls (issuer, partition, number, scheduled)
select $1, 0, greatest(coalesce(max(number), 0), $2::bigint) + 1, $3
from crls where issuer = $1 and partition = 0
returning number, clock_timestamp() as now

-- name: asked
select octets, partition from revocations where issuer = $1 and octets = any($2::bytea[])

-- name: booked
select r.* from responder_certificates as r join unnest($1::text[], $2::text[]) as n (issuer, serial) using (issuer, serial)

-- name: cascade_is_proposed
select exists (select from proposals where key_sha256 = $1 and kind = 'cascade' and confirmed_by is null and dropped_by is null)

-- name: cas
-- The CAs that have published CRLs, or are about to: each is found by one look into the index.
with recursive cas (issuer) as (
    select min(issuer) from crls
    union all
    select (select min(c.issuer) from crls as c where c.issuer > cas.issuer) from cas where cas.issuer is not null
)
select issuer from cas where issuer is not null order by issuer

-- name: compromised
select key_sha256 from compromised_keys where key_sha256 = any($1::text[])

-- name: confirmed
-- What two operators confirmed for these cases.
select p.id, i.key, p.reason from proposal_items as i join proposals as p on p.id = i.proposal where i.key = any($1::text[]) and p.confirmed_by is not null

-- name: count_signatures
select issuer, coalesce(responders, 0) as responders, coalesce(open, 0) as open, coalesce(crls, 0) as crls
from (
    select issuer, count(fingerprint) as responders, count(*) filter (where fingerprint is null and refusal is null) as open
    from responder_certificates group by issuer
) as r
full join (select issuer, count(published_at) as crls from crls group by issuer) as c using (issuer)
order by issuer

-- name: count_standings
-- What the revoker has published of a CA's standings, as `StandingsCount` says; of an open revocation, which may be that of a void serial number,
-- neither that nor the certificate.
select coalesce(sum(times), 0)::int as standings,
       mod(coalesce(sum(times * ('x' || lpad(right(serial, 13), 13, '0'))::bit(52)::bigint::numeric), 0), 2 ^ 52::numeric)::bigint as total,
       coalesce((select number from crls where issuer = $1 and partition = 0 and published_at is not null order by number desc limit 1), 0) as crl_number
from (
    select 1 as times, serial from statuses where issuer = $1
    union all
    select 1, serial from revocations where issuer = $1
    union all
    select -2, serial from statuses where issuer = $1 and standing > 'valid' and standing < 'revoked'
) as counted

-- name: intend
-- The partitions' CRLs of a pass have the number of its full one.
insert into crls (issuer, partition, number, scheduled) select $1, partition, $3, $4 from unnest($2::int[]) as n (partition)

-- name: keep_compromised
insert into compromised_keys (key_sha256, source) values ($1, $2) on conflict do nothing

-- name: holders
-- The keys under which certificates are stored.
select s.key, s.issuer, s.serial from statuses as s join unnest($1::text[], $2::text[]) as n (issuer, serial) using (issuer, serial)

-- name: keep_second
-- A second certificate of a case, under a key of its own, unless it is stored already (F2).
insert into statuses (key, version, standing, issuer, serial, partition, certificate, der) values ($1, 1, 'valid', $2, $3, $4, $5::jsonb, $6)
on conflict do nothing

-- name: load
select s.key, s.version, s.standing::text as standing, s.certificate::text as certificate, s.der, s.asked::text as asked,
       s.requesters::text as requesters, s.listing::text as listing, s.changed,
       r.request_id, r.reason, r.requested_at, r.due, r.revoked_at, r.invalid_since, r.changed_at, r.changes
from statuses as s left join revocations as r using (key)
where s.key = any($1::text[])

-- name: load_proposals
-- Confirmed proposals and stopped cascades, each with the first $2 of the certificates that are left.
select p.id, p.version, p.reason, p.proposed_by || '/' || p.confirmed_by as operators, p.key_sha256, p.rate, p.total, p.ordered, p.carried_at, p.done_at,
       p.proposed_at, w.first_case,
       coalesce((
           select jsonb_agg(jsonb_build_object('case_id', s.key, 'account_id', s.certificate ->> 'account_id', 'serial', s.serial) order by i.place)
           from proposal_items as i join statuses as s on s.key = i.key
           where i.proposal = p.id and i.place > p.ordered and i.place <= p.ordered + $2
       ), '[]')::text as next
from proposals as p left join waiting_cascades as w on w.id = p.id
where p.id = any($1::uuid[]) and (p.confirmed_by is not null or p.kind = 'cascade')

-- name: load_responders
select * from responder_certificates where key_sha256 = any($1::text[]) order by issuer

-- name: lock_crls
select pg_advisory_lock(lock_of('crl/' || $1))

-- name: lock_keys
select pg_advisory_xact_lock(lock) from (select lock_of('compromised/' || key) as lock from unnest($1::text[]) as k (key) order by 1 offset 0) as l

-- name: others
-- The valid certificates of a key that no confirmed proposal about it holds, at most $3.
select s.key as case_id, s.certificate ->> 'account_id' as account_id, s.serial
from statuses as s
where s.key_sha256 = $1 and s.standing = 'valid' and (s.certificate ->> 'not_after')::timestamptz > $2
  and not exists (
      select from proposal_items as i join proposals as p on p.id = i.proposal
      where i.key = s.key and p.key_sha256 = $1 and p.confirmed_by is not null
  )
order by s.key limit $3

-- name: part_of_full
-- The next entries of a full CRL, in the order of their serial numbers, after that of the last part ($4).
select string_agg(entry, ''::bytea order by octets) as entries, string_agg(octets, ''::bytea order by octets) as serials
from (
    select octets, entry
    from revocations
    where issuer = $1 and octets > $4 and (not_after >= $2 or octets = any($3::bytea[]))
    order by octets
    limit 20000
) as part

-- name: part_of_others
-- The next entries of the partitions beyond $5, for which no CRL is made, in the order of their serial numbers, after that of the last part ($4).
select string_agg(entry, ''::bytea order by octets) as entries, string_agg(octets, ''::bytea order by octets) as serials
from (
    select octets, entry
    from revocations
    where issuer = $1 and partition > $5 and octets > $4 and (not_after >= $2 or octets = any($3::bytea[]))
    order by octets
    limit 20000
) as part

-- name: part_of_partition
-- The next entries of a partition's CRL, in the order of their serial numbers, after that of the last part ($4).
select string_agg(entry, ''::bytea order by octets) as entries, string_agg(octets, ''::bytea order by octets) as serials
from (
    select octets, entry
    from revocations
    where issuer = $1 and partition = $5 and octets > $4 and (not_after >= $2 or octets = any($3::bytea[]))
    order by octets
    limit 20000
) as part

-- name: partitions
-- The partitions of a CA ($1) in use: all up to $2, and those up to $3 that certificates name, each found by one look into their index.
with recursive named (partition) as (
    select min(partition) from statuses where issuer = $1
    union all
    select (select min(s.partition) from statuses as s where s.issuer = $1 and s.partition > named.partition)
    from named where named.partition < $3::int
)
select partition from named where partition <= $3::int
union
select generate_series(0, $2::int)

-- name: start_confirmation_clock
-- $3 is how long after the proposal its clock is checked first.
insert into deadlines (key, kind, id, at) select 'proposal/' || id, $2, gen_random_uuid(), proposed_at + $3::interval from proposals where id = $1

-- name: propose
select propose($1, 'cascade', 'key-exposed', $2, $3, $4, $5)

-- name: publish_now
update deadlines set id = gen_random_uuid(), at = $3 where key = $1 and kind = $2 and at > $3

-- name: record
update crls as c
set this_update = $3, next_update = $4, published_at = $5, entries = n.entries, sha256 = n.sha256, serial_sum = n.serial_sum
from unnest($6::int[], $7::int[], $8::text[], $9::numeric[]) as n (partition, entries, sha256, serial_sum)
where c.issuer = $1 and c.number = $2 and c.partition = n.partition

-- name: reconcile
-- All differences within the books of responders' certificates, of second certificates and of proposals, a row for each: code, key, words.
with acts as materialized (
    select key, convert_from(data, 'utf8')::jsonb as act from intents where kind = 'certify'
)
select 'never-finished' as what, r.issuer || '/' || r.serial as key, 'is intended for a responder, and no act is open that would sign or end it' as words
from responder_certificates as r
where r.fingerprint is null and r.refusal is null
  and not exists (select from acts where act ->> 'issuer' = r.issuer and act ->> 'serial' = r.serial)
union all
select 'nothing-intended', coalesce(act ->> 'issuer', '') || '/' || coalesce(act ->> 'serial', ''), 'has an act open that signs other bytes than are intended'
from acts
where not exists (
    select from responder_certificates as r
    where r.issuer = act ->> 'issuer' and r.serial = act ->> 'serial'
      and r.tbs_sha256 = encode(sha256(decode(translate(act ->> 'tbs', '-_', '+/'), 'base64')), 'hex')
)
union all
select 'second-certificate', key, 'is the second certificate of ' || second_of || ', and is not revoked'
from operators_certificates where second_of is not null and standing = 'valid'
union all
select 'left-undone', key, 'is valid, though the proposal ' || proposal || ' that revokes it was confirmed and counts as done'
from left_undone
order by 1, 2

-- name: reconcile_audit
-- All differences between the books and the audit since the first entry of the books (B6), a row for each: code, key, words.
with since as (select coalesce(min(intended_at), 'infinity') as first from responder_certificates),
entries as materialized (
    select case when entry is json then entry::jsonb end as entry from audit where entry like '%"certify"%' and at >= (select first from since) - interval '1 day'
),
intended as materialized (
    select act #>> '{facts,issuer}' as issuer, act #>> '{facts,serial}' as serial, act #>> '{facts,tbs_sha256}' as tbs_sha256
    from entries, jsonb_path_query(entry, '$.intents[*] ? (@.kind == "certify")') as act
),
signed as materialized (
    select entry #>> '{happened,facts,issuer}' as issuer, entry #>> '{happened,facts,serial}' as serial, entry #>> '{happened,facts,fingerprint}' as fingerprint
    from entries where entry #>> '{happened,result}' = 'certify' and entry #>> '{happened,facts,fingerprint}' is not null
)
select 'not-audited' as what, issuer || '/' || serial as key, 'is intended for a responder, but the audit has no record of its intent' as words
from (select issuer, serial, tbs_sha256 from responder_certificates except select issuer, serial, tbs_sha256 from intended) as it
union all
select 'end-not-audited', issuer || '/' || serial, 'is certified, but the audit has no record of its signature'
from (select issuer, serial, fingerprint from responder_certificates where fingerprint is not null except select issuer, serial, fingerprint from signed) as it
union all
select 'not-decided', issuer || '/' || serial, 'was signed, but the audit has no record of its intent'
from (select issuer, serial from signed except select issuer, serial from intended) as it
order by 1, 2

-- name: unbooked
-- Of these certificates of responders, those that the books lack and that were made since there are books.
select n.issuer, n.serial
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as n (issuer, serial, fingerprint, not_after)
where n.not_after >= (select coalesce(min(not_after), 'infinity') from responder_certificates)
  and not exists (
      select from responder_certificates as r where r.issuer = n.issuer and r.serial = n.serial and r.fingerprint = n.fingerprint
  )
order by 1, 2

-- name: recorded
-- The last published CRL of each of these partitions.
select partition, number, entries, sha256, serial_sum, this_update
from unnest($2::int[]) as asked (partition)
cross join lateral (
    select number, entries, sha256, serial_sum, this_update
    from crls
    where issuer = $1 and crls.partition = asked.partition and published_at is not null
    order by number desc
    limit 1
) as last
where serial_sum is not null

-- name: save
-- A row whose version moved is not saved and not counted. What is stored of a certificate stays; an entry changes only with the request that gave its
-- reason.
with saved as (
    insert into statuses as s (key, version, standing, issuer, serial, partition, certificate, der, asked, requesters, listing, changed)
    select key, version + 1, standing::standing, issuer, serial, partition, certificate::jsonb, der, asked::jsonb, requesters::jsonb, listing::jsonb, changed
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::bytea[], $9::text[], $10::text[],
                $11::text[], $12::boolean[])
        as n (key, version, standing, issuer, serial, partition, certificate, der, asked, requesters, listing, changed)
    on conflict (key) do update
        set version = excluded.version, standing = excluded.standing, issuer = excluded.issuer, serial = excluded.serial,
            partition = excluded.partition, certificate = coalesce(s.certificate, excluded.certificate), der = coalesce(s.der, excluded.der),
            asked = excluded.asked, requesters = excluded.requesters, listing = excluded.listing, changed = excluded.changed
        where s.version = excluded.version - 1
    returning 1
),
entered as (
    insert into revocations as r (issuer, serial, partition, key, request_id, reason, requested_at, due, revoked_at, invalid_since, changed_at,
                                  changes, not_after, entry)
    select * from unnest($13::text[], $14::text[], $15::int[], $16::text[], $17::uuid[], $18::text[], $19::timestamptz[], $20::timestamptz[],
                         $21::timestamptz[], $22::timestamptz[], $23::timestamptz[], $24::int[], $25::timestamptz[], $26::bytea[])
    on conflict (issuer, serial) do update
        set request_id = excluded.request_id, reason = excluded.reason, invalid_since = excluded.invalid_since, changed_at = excluded.changed_at,
            changes = excluded.changes, entry = excluded.entry
        where r.request_id <> excluded.request_id
)
select count(*) from saved

-- name: responders_of_a_day
-- How many keys of responders were certified in the last 24 hours, by environment.
select environment, count(distinct key_sha256) as keys from responder_certificates where intended_at > now() - interval '24 hours' group by environment

-- name: save_responder
insert into responder_certificates as r (environment, key_sha256, issuer, serial, tbs_sha256, not_after, fingerprint, refusal)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (issuer, serial) do update set fingerprint = excluded.fingerprint, refusal = excluded.refusal
where (r.fingerprint, r.refusal) is distinct from (excluded.fingerprint, excluded.refusal)

-- name: save_proposals
-- How far proposals are carried out; a key that one is about is compromised from its first step on. A row whose version moved is not saved and not counted.
with saved as (
    update proposals as p set version = p.version + 1, ordered = n.ordered, carried_at = n.carried_at, done_at = n.done_at
    from unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::timestamptz[]) as n (id, version, ordered, carried_at, done_at)
    where p.id = n.id and p.version = n.version
    returning p.id, p.key_sha256
),
compromised as (
    insert into compromised_keys (key_sha256, source)
    select key_sha256, 'proposal/' || id from saved where key_sha256 is not null
    on conflict do nothing
)
select count(*) from saved

-- name: since
-- What expired before this moment was on a scheduled CRL from after its expiry, and is listed no more (RFC 5280, 3.3): on the full one and its partition's,
-- so all of that pass have arrived. Never after the CRL's own ($2): no certificate that is valid is left out, whatever the table says of CRLs to come (I7).
select least(coalesce((
           select this_update from crls as c
           where issuer = $1 and partition = 0 and scheduled and this_update is not null
                 and not exists (select from crls as p where p.issuer = $1 and p.number = c.number and p.published_at is null)
           order by this_update desc limit 1
       ), '-infinity'), $2) as since, clock_timestamp() as now

-- name: sizes
-- The size of each partition: what is revoked and has not expired before $2, and what is ordered ($3).
select partition, count(*) as entries, sum(length(entry)) as octets
from revocations
where issuer = $1 and (not_after >= $2 or octets = any($3::bytea[]))
group by partition

-- name: unlock_crls
select pg_advisory_unlock(lock_of('crl/' || $1))

-- name: vanished
-- Of serial numbers that are on a CRL no more, those that may be missing: they expired before this moment.
select octets from revocations where issuer = $1 and octets = any($2::bytea[]) and not_after < $3
