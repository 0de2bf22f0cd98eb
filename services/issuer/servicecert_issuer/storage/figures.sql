-- What the monitoring login sees of the issuer's tables (F4); see servicecert_worker/storage/figures.sql.
create or replace function figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    select 'servicecert_issuances_open', array['intended'], count(*)::float8 from intents where kind = 'sign'
    union all
    select 'servicecert_issuances_open', array['stopped'], count(*) from certificates where application is not null
    union all
    select 'servicecert_certificates_faulty', array[]::text[], count(*)
    from (select from recheck_findings group by issuer, serial having min(recheck) = (select max(id) from rechecks)) as first_found
$$;
