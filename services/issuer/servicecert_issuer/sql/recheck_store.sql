-- What came of the part of run $1 that begins at $2, if nobody has stored that part before. Answers whether it is stored here.
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
