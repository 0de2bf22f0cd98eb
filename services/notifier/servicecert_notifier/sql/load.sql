-- The ledgers of the given cases, the rows of each in the order they were planned.
select l.case_id, l.version, l.standing, m.mail_id, m.kind, m.occasion, m.recipient, m.place, m.planned_at, m.copy,
       m.give_up_at, m.state, m.attempts, m.answer, m.first_tried_at, m.tried_at, m.next_try_at, m.settled_at, m.resends, m.reason, m.superseded_by,
       m.bounce, m.bounced_at
from ledgers l
left join mails m on m.case_id = l.case_id
where l.case_id = any ($1::uuid[])
order by l.case_id, m.entry
