-- name: find_bounced
select case_id, state from mails where mail_id = $1

-- name: find_mails
-- Rows of the ledger for an operator, the newest first. A null argument matches every row.
select m.mail_id, m.case_id, m.kind, m.recipient, m.place, m.copy, m.state, m.attempts, m.answer, m.relay, m.planned_at, m.first_tried_at, m.tried_at,
       m.next_try_at, m.give_up_at, m.settled_at, m.resends, m.reason, m.superseded_by, m.bounce, m.bounced_at,
       exists (select from orders o where o.mail_id = m.mail_id) as can_be_resent
from mails m
where ($1::uuid is null or m.mail_id = $1)
  and ($2::uuid is null or m.case_id = $2)
  and ($3::text is null or m.state = $3)
  and ($4::text is null or m.kind = $4)
  and ($5::timestamptz is null or m.planned_at >= $5)
order by m.planned_at desc, m.entry desc
limit $6

-- name: find_refused
-- The refused mails since a moment, by any mail server or by one, that nobody asked to resend: the oldest first. An erased case has no task.
select m.mail_id, m.case_id, m.kind, convert_from(o.data, 'UTF8')::jsonb -> 'recipient' ->> 'email' as address
from mails m
left join orders o on o.mail_id = m.mail_id
where m.state = 'refused' and m.settled_at >= $1
  and ($2::text is null or m.relay = $2 or regexp_replace(m.relay, ':[0-9]+$', '') = $2)
  and not exists (select from notices n where n.case_id = m.case_id and n.mail_id = m.mail_id and n.wanted = 'resend')
order by m.settled_at, m.entry

-- name: keep_paces
-- Saves the use of the rate limits after a turn, and deletes the past.
with kept as (
    insert into paces as p (domain, filled_until)
    select domain, filled_until from unnest($1::text[], $2::timestamptz[]) as g (domain, filled_until)
    on conflict (domain) do update set filled_until = excluded.filled_until
), counted as (
    insert into pace_minutes as m (minute, mails)
    select minute, mails from unnest($3::timestamptz[], $4::int[]) as g (minute, mails)
    on conflict (minute) do update set mails = excluded.mails
), expired as (
    delete from pace_minutes where minute < $5::timestamptz - interval '1 hour'
)
delete from paces where filled_until < $5::timestamptz and domain <> all ($1::text[])

-- name: load
-- The ledgers of the given cases, the rows of each in the order they were planned.
select l.case_id, l.version, l.standing, m.mail_id, m.kind, m.occasion, m.recipient, m.place, m.planned_at, m.copy,
       m.give_up_at, m.state, m.attempts, m.answer, m.first_tried_at, m.tried_at, m.next_try_at, m.settled_at, m.resends, m.reason, m.superseded_by,
       m.bounce, m.bounced_at, m.relay, m.refused_since
from ledgers l
left join mails m on m.case_id = l.case_id
where l.case_id = any ($1::uuid[])
order by l.case_id, m.entry

-- name: lock_paces
-- Workers allocate slots one after another.
lock table paces in exclusive mode

-- name: notices
-- The notices of the given cases, in order of time.
select id, case_id, mail_id, wanted, text, at, address from notices where case_id = any ($1::uuid[]) order by at, id

-- name: notify
-- Stores a notice of a mail, and sets its case's deadline. The case's key is locked. A second bounce of a mail is not stored: returns 0.
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

-- name: orders
-- The tasks of these mails.
select mail_id, data from orders where mail_id = any ($1::uuid[])

-- name: others
-- The certificates that may replace those of the given cases: of the same account, and naming the old one or with the same subject.
select s.case_id, o.standing
from ledgers s
join ledgers o on o.case_id <> s.case_id
    and (o.standing ->> 'follows' = s.standing -> 'certificate' ->> 'serial'
         or o.standing -> 'certificate' ->> 'subject' = s.standing -> 'certificate' ->> 'subject')
where s.case_id = any ($1::uuid[])
    and o.standing -> 'correspondence' ->> 'account_id' = s.standing -> 'correspondence' ->> 'account_id'
    and o.standing -> 'certificate' ->> 'serial' is not null

-- name: paces
-- The use of the rate limits: by these domains, and in the coming minutes.
select domain, null::timestamptz as minute, filled_until, null::int as mails from paces where domain = any ($1::text[])
union all
select null, minute, null, mails from pace_minutes where minute > $2::timestamptz - interval '1 minute'

-- name: save
-- Saves ledgers if their stored versions are the loaded ones; returns how many were saved. An unchanged row is not written.
with given as (
    select * from unnest($1::uuid[], $2::int[], $3::jsonb[]) as g (case_id, version, standing)
), kept as (
    insert into ledgers as l (case_id, version, standing)
    select case_id, version + 1, standing from given
    on conflict (case_id) do update set version = excluded.version, standing = excluded.standing where l.version = excluded.version - 1
    returning case_id
), written as (
    insert into mails as m (case_id, mail_id, kind, occasion, recipient, place, planned_at, copy, give_up_at, state, attempts, answer,
                            first_tried_at, tried_at, next_try_at, settled_at, resends, reason, superseded_by, bounce, bounced_at,
                            relay, refused_since)
    select r.*
    from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::int[], $10::timestamptz[], $11::int[], $12::timestamptz[],
                $13::text[], $14::int[], $15::text[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],
                $20::uuid[], $21::text[], $22::uuid[], $23::text[], $24::timestamptz[], $25::text[], $26::timestamptz[])
        as r (case_id, mail_id, kind, occasion, recipient, place, planned_at, copy, give_up_at, state, attempts, answer,
              first_tried_at, tried_at, next_try_at, settled_at, resends, reason, superseded_by, bounce, bounced_at,
              relay, refused_since)
    on conflict (mail_id) do update
        set state = excluded.state, attempts = excluded.attempts, answer = excluded.answer, first_tried_at = excluded.first_tried_at,
            tried_at = excluded.tried_at, next_try_at = excluded.next_try_at, settled_at = excluded.settled_at,
            superseded_by = excluded.superseded_by, bounce = excluded.bounce, bounced_at = excluded.bounced_at,
            relay = excluded.relay, refused_since = excluded.refused_since, give_up_at = excluded.give_up_at
        where (m.state, m.attempts) is distinct from (excluded.state, excluded.attempts)
), ordered as (
    insert into orders (mail_id, data)
    select * from unnest($27::uuid[], $28::bytea[]) as o (mail_id, data)
    on conflict do nothing
)
select count(*) from kept
