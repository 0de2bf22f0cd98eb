-- Saves ledgers if their stored versions are the loaded ones; answers how many were. A settled row is final and stays as it is.
with given as (
    select * from unnest($1::uuid[], $2::int[]) as g (case_id, version)
), kept as (
    insert into ledgers as l (case_id, version)
    select case_id, version + 1 from given
    on conflict (case_id) do update set version = excluded.version where l.version = excluded.version - 1
    returning case_id
), written as (
    insert into mails as m (case_id, mail_id, kind, occasion, recipient, place, planned_at, state, attempts, answer, settled_at)
    select r.*
    from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::int[], $9::timestamptz[], $10::text[],
                $11::int[], $12::text[], $13::timestamptz[])
        as r (case_id, mail_id, kind, occasion, recipient, place, planned_at, state, attempts, answer, settled_at)
    on conflict (mail_id) do update
        set state = excluded.state, attempts = excluded.attempts, answer = excluded.answer, settled_at = excluded.settled_at
        where m.state = 'planned' and excluded.state <> 'planned'
)
select count(*) from kept
