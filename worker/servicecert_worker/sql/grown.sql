-- The audit chains that have rows which no checkpoint vouches for, with their heads.
select c.chain, h.seq, h.hash
from audit_chains c
cross join lateral (select seq, hash from audit where chain = c.chain order by seq desc limit 1) h
where h.seq > c.attested
limit $1
