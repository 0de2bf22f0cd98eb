-- Greater than every number that was given out, and than the one that is published ($2), should the table have been restored from a backup. Each pass
-- makes a full CRL, so its numbers are all that there are.
insert into crls (issuer, partition, number, scheduled)
select $1, 0, greatest(coalesce(max(number), 0), $2::bigint) + 1, $3
from crls where issuer = $1 and partition = 0
returning number
