-- Saves ledgers if their stored versions are the loaded ones; answers how many were. A settled row is final and stays as it is.
with given as (
    select * from unnest($1::uuid[], $2::int[], $3::jsonb[]) as g (case_id, version, standing)
), kept as (
    insert into ledgers as l (case_id, version, standing)
    select case_id, version + 1, standing from given
    on conflict (case_id) do update set version = excluded.version, standing = excluded.standing where l.version = excluded.version - 1
    returning case_id
), written as (
    insert into mails as m (case_id, mail_id, kind, occasion, recipient, place, planned_at, state, attempts, answer, settled_at)
    select r.*
    from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::int[], $10::timestamptz[], $11::text[],
                $12::int[], $13::text[], $14::timestamptz[])
        as r (case_id, mail_id, kind, occasion, recipient, place, planned_at, state, attempts, answer, settled_at)
    on conflict (mail_id) do update
        set state = excluded.state, attempts = excluded.attempts, answer = excluded.answer, settled_at = excluded.settled_at
        where m.state = 'planned' and excluded.state <> 'planned'
)
select count(*) from kept
