-- What the monitoring login sees of the revoker's tables (F4); see servicecert_worker/storage/figures.sql.
create or replace function figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    -- What relying parties cannot see yet, by its oldest request: the first one, or one that changed the entry later (D4). An index finds them.
    with open (since) as (
        select case when s.standing < 'revoked' then r.requested_at else r.changed_at end
        from statuses as s join revocations as r using (key)
        where s.standing > 'valid' and s.standing < 'revoked' or s.changed
        union all
        select first_at from parked where type = 'servicecert.revocation.requested.v1'
    ),
    -- Each CA and partition that a certificate names, and each CA's full CRL: a partition that no certificate names need not be published.
    named (issuer, partition) as (
        with recursive issuers (issuer) as (
            select min(issuer) from crls
            union all
            select (select min(c.issuer) from crls as c where c.issuer > i.issuer) from issuers as i where i.issuer is not null
        ),
        partitions (issuer, partition) as (
            select issuer, (select min(s.partition) from statuses as s where s.issuer = i.issuer) from issuers as i where issuer is not null
            union all
            select p.issuer, (select min(s.partition) from statuses as s where s.issuer = p.issuer and s.partition > p.partition)
            from partitions as p where p.partition is not null
        )
        -- A forged certificate may name any number (`partitions.MOST_PARTITIONS`).
        select issuer, partition from partitions where partition <= 1024
        union
        select issuer, 0 from issuers where issuer is not null
    ),
    published (crl, this_update, next_update, entries) as (
        select n.issuer || case n.partition when 0 then '' else '.' || n.partition end || '.crl', last.this_update, last.next_update, last.entries
        from named as n
        cross join lateral (
            select this_update, next_update, entries from crls as c
            where c.issuer = n.issuer and c.partition = n.partition and published_at is not null order by number desc limit 1
        ) as last
    )
    select 'servicecert_revocations', array['open'], count(*)::float8 from open
    union all
    select 'servicecert_revocations', array['late'], count(*) from open where since + interval '24 hours' < $1
    union all
    select 'servicecert_revocation_oldest_seconds', '{}', coalesce(extract(epoch from $1 - min(since)), 0) from open
    union all
    select 'servicecert_cascades', array['open'], count(*) from waiting_cascades
    union all
    select 'servicecert_cascades', array['late'], count(*) from waiting_cascades where proposed_at + interval '24 hours' < $1
    union all
    select 'servicecert_cascade_oldest_seconds', '{}', coalesce(extract(epoch from $1 - min(proposed_at)), 0) from waiting_cascades
    union all
    select 'servicecert_proposals', array['unconfirmed'], count(*) from proposals
    where done_at is null and dropped_by is null and confirmed_by is null and kind <> 'cascade'
    union all
    select 'servicecert_proposals', array['stopped'], count(*) from proposals
    where done_at is null and dropped_by is null and confirmed_by is null and kind = 'cascade'
    union all
    select 'servicecert_proposals', array['running'], count(*) from proposals where done_at is null and dropped_by is null and confirmed_by is not null
    union all
    select 'servicecert_responders_certified', array[environment], count(distinct key_sha256) from responder_certificates
    where intended_at > $1 - interval '24 hours' group by environment
    union all
    -- By `limit` the planner takes the index: it expects most rows to have what none has.
    select 'servicecert_second_certificates', '{}', count(*)
    from (select from statuses where certificate ->> 'second_of' is not null order by key limit 1000) as second
    union all
    select 'servicecert_crl_age_seconds', array[crl], extract(epoch from $1 - this_update) from published
    union all
    select 'servicecert_crl_valid_seconds', array[crl], extract(epoch from next_update - $1) from published
    union all
    select 'servicecert_crl_entries', array[crl], entries from published
$$;
