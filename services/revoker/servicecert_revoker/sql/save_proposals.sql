-- How far proposals are carried out; a key that one is about is compromised from its first step on. A row whose version moved is not saved and not counted.
with saved as (
    update proposals as p set version = p.version + 1, ordered = n.ordered, carried_at = n.carried_at, done_at = n.done_at
    from unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::timestamptz[]) as n (id, version, ordered, carried_at, done_at)
    where p.id = n.id and p.version = n.version
    returning p.id, p.key_sha256
),
compromised as (
    insert into compromised_keys (key_sha256, source)
    select key_sha256, 'proposal/' || id from saved where key_sha256 is not null
    on conflict do nothing
)
select count(*) from saved
