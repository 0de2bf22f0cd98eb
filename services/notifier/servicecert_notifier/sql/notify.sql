-- Keeps a notice of a mail, and has the case woken for it. The case's key is locked. A second bounce of the same mail is none; answers whether it is kept.
with kept as (
    insert into notices (id, case_id, mail_id, wanted, text, at, address)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict do nothing
    returning case_id
), armed as (
    insert into deadlines (key, kind, id, at)
    select case_id::text, $8, $1, $6 from kept
    on conflict (key, kind) do update set id = excluded.id, at = excluded.at
)
select count(*) from kept
