-- Rows of the ledger for an operator, the newest first. What is not given does not narrow.
select m.mail_id, m.case_id, m.kind, m.recipient, m.place, m.copy, m.state, m.attempts, m.answer, m.planned_at, m.first_tried_at, m.tried_at,
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
