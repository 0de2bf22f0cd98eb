-- A new audit chain, with its first row.
with begun as (insert into audit_chains (chain) values ($1))
insert into audit (chain, seq, at, key, entry, hash) values ($1, $2, $3, $4, $5, $6)
