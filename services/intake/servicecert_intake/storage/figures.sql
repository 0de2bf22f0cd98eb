-- What the monitoring login sees of intake's tables (F4); see servicecert_worker/storage/figures.sql.
-- The running clocks (`Case.clock`): how many of each kind, and the seconds until the first one ends. A case lapses with the end of the day six
-- months after it was submitted (`deadlines.lapse_time`, A12).
create or replace function figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    with clocks (clock, open, ends) as (
        select 'completion', count(*),
               (((min((body -> 'entered' -> 0 ->> 'at')::timestamptz) at time zone 'Europe/Helsinki')::date + interval '6 months')::date + time '23:59:59')
               at time zone 'Europe/Helsinki'
        from cases where state in ('submitted', 'waiting-for-csr', 'returned')
        union all
        select 'delivery', count(*), min((body ->> 'due')::timestamptz)
        from cases where state in ('accepted', 'issued') and body ->> 'due' is not null
        -- One that is late and that no recipient's server takes (C3) is late for ever: it would hide the others.
        and ((body ->> 'due')::timestamptz > moment or exists (
            select from jsonb_array_elements(body -> 'recipients') as asked
            where not body -> 'deliveries' @> jsonb_build_array(jsonb_build_object('kind', 'certificate-issued', 'recipient', asked -> 'role'))
        ))
    )
    select 'servicecert_clocks_open', array[clock], open::float8 from clocks
    union all
    select 'servicecert_clock_left_seconds', array[clock], extract(epoch from ends - $1) from clocks where ends is not null
    union all
    select 'servicecert_keys_blocked', array[reason], (select count(*) from keys where blocked = reason)
    from (values ('compromised'), ('shared-prime')) as r (reason)
    union all
    -- Whatever they are parked for: behind a record of the same case they are not at fault themselves.
    select 'servicecert_unasked_certificates', '{}', count(*)
    from (
        select from parked as p
        where type like 'servicecert.certificate.issued.%' and not exists (select from cases where case_id = p.key)
        limit 1000
    ) as unasked
$$;
