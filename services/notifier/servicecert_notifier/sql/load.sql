-- The ledgers of the given cases, the rows of each in the order they were planned.
select m.case_id, l.version, m.mail_id, m.kind, m.occasion, m.recipient, m.place, m.planned_at, m.state, m.attempts, m.answer, m.settled_at
from ledgers l
join mails m using (case_id)
where l.case_id = any ($1::uuid[])
order by m.case_id, m.entry
