-- The next entries of a full CRL, in the order of their serial numbers, after that of the last part ($4).
select string_agg(entry, ''::bytea order by octets) as entries, string_agg(octets, ''::bytea order by octets) as serials
from (
    select octets, entry
    from revocations
    where issuer = $1 and octets > $4 and (not_after >= $2 or octets = any($3::bytea[]))
    order by octets
    limit 20000
) as part
