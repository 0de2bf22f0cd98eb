select c.key, c.issuer, encode(sha256(c.tbs), 'hex') as tbs_sha256, c.state = 'intended' as open, u.key is not null as unwanted
from certificates c left join unwanted u using (key)
where c.key = any($1::text[]) and c.tbs is not null
