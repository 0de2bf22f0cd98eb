-- How much each partition lists: what is revoked and has not expired before $2, and what is asked for ($3).
select partition, count(*) as entries, sum(length(entry)) as octets
from revocations
where issuer = $1 and (not_after >= $2 or octets = any($3::bytea[]))
group by partition
