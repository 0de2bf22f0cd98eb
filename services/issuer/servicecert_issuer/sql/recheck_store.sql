with found as (
    insert into recheck_findings (recheck, key, issuer, serial, codes)
    select $1, key, issuer, serial, string_to_array(codes, ' ')
    from unnest($6::text[], $7::text[], $8::text[], $9::text[]) as f (key, issuer, serial, codes)
    on conflict do nothing
)
update rechecks
set position = $2, good = good + $3, bad = bad + $4, ended_at = case when $5 then clock_timestamp() end
where id = $1
