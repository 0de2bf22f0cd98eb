-- What the monitoring login sees of the issuer's tables (F4); see servicecert_worker/storage/figures.sql.
create or replace function figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    select 'servicecert_issuances_open', array['intended'], count(*)::float8 from intents where kind = 'sign'
    union all
    select 'servicecert_issuances_open', array['stopped'], count(*) from certificates where application is not null
    union all
    select 'servicecert_certificates_faulty', array[]::text[], count(distinct f.key)
    from rechecks as r join recheck_findings as f on f.recheck = r.id
    where r.began_at > moment - interval '1 day' and f.codes[1] like 'recheck.%' and not exists (
        select from rechecks as before join recheck_findings as found on found.recheck = before.id
        where before.began_at <= moment - interval '1 day' and before.began_at > moment - interval '3 days'
              and found.key = f.key and found.codes = f.codes
    )
$$;
