-- The last published CRL of each CA ($1) and partition, up to the greatest that is in use, which is at least $2.
select issuer, partition, last.this_update, last.next_update, last.entries
from unnest($1::text[]) as ca (issuer)
cross join lateral generate_series(0, greatest($2::int, (select max(s.partition) from statuses as s where s.issuer = ca.issuer))) as n (partition)
cross join lateral (
    select this_update, next_update, entries
    from crls
    where crls.issuer = ca.issuer and crls.partition = n.partition and published_at is not null
    order by number desc
    limit 1
) as last
