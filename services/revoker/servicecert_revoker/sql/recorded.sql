-- The last published CRL of each of these partitions.
select partition, entries, sha256, serial_sum
from unnest($2::int[]) as asked (partition)
cross join lateral (
    select entries, sha256, serial_sum
    from crls
    where issuer = $1 and crls.partition = asked.partition and published_at is not null
    order by number desc
    limit 1
) as last
where serial_sum is not null
