update crls as c
set this_update = $3, next_update = $4, published_at = $5, entries = n.entries, sha256 = n.sha256, serial_sum = n.serial_sum
from unnest($6::int[], $7::int[], $8::text[], $9::numeric[]) as n (partition, entries, sha256, serial_sum)
where c.issuer = $1 and c.number = $2 and c.partition = n.partition
