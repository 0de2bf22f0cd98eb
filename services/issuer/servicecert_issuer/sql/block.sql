-- Blocks keys, and wants void what is intended with them and not signed yet.
with blocked as (
    insert into blocked_keys (key_sha256) select unnest($1::text[]) on conflict do nothing
)
insert into unwanted (key, reason)
select distinct c.key, 'the key is compromised'
from intents as i join certificates as c on c.key = i.key
where i.kind = 'sign' and c.key_sha256 = any($1::text[])
on conflict do nothing
