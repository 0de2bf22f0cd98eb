-- Saves ledgers if their stored versions are the loaded ones; answers how many were. A row that has not changed is not written.
with given as (
    select * from unnest($1::uuid[], $2::int[], $3::jsonb[]) as g (case_id, version, standing)
), kept as (
    insert into ledgers as l (case_id, version, standing)
    select case_id, version + 1, standing from given
    on conflict (case_id) do update set version = excluded.version, standing = excluded.standing where l.version = excluded.version - 1
    returning case_id
), written as (
    insert into mails as m (case_id, mail_id, kind, occasion, recipient, place, planned_at, copy, give_up_at, state, attempts, answer,
                            first_tried_at, tried_at, next_try_at, settled_at, resends, reason, superseded_by, bounce, bounced_at)
    select r.*
    from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::int[], $10::timestamptz[], $11::int[], $12::timestamptz[],
                $13::text[], $14::int[], $15::text[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],
                $20::uuid[], $21::text[], $22::uuid[], $23::text[], $24::timestamptz[])
        as r (case_id, mail_id, kind, occasion, recipient, place, planned_at, copy, give_up_at, state, attempts, answer,
              first_tried_at, tried_at, next_try_at, settled_at, resends, reason, superseded_by, bounce, bounced_at)
    on conflict (mail_id) do update
        set state = excluded.state, attempts = excluded.attempts, answer = excluded.answer, first_tried_at = excluded.first_tried_at,
            tried_at = excluded.tried_at, next_try_at = excluded.next_try_at, settled_at = excluded.settled_at,
            superseded_by = excluded.superseded_by, bounce = excluded.bounce, bounced_at = excluded.bounced_at
        where (m.state, m.attempts) is distinct from (excluded.state, excluded.attempts)
), ordered as (
    insert into orders (mail_id, data)
    select * from unnest($25::uuid[], $26::bytea[]) as o (mail_id, data)
    on conflict do nothing
)
select count(*) from kept
