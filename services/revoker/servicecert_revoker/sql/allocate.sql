-- Greater than every number that was given out, and than the one that is published ($3), should the table have been restored from a backup.
insert into crls (issuer, partition, number, scheduled)
select $1, $2, greatest(coalesce(max(number), 0), $3::bigint) + 1, $4
from crls where issuer = $1 and partition = $2
returning number
