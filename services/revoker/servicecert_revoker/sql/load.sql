select s.key, s.version, s.standing::text as standing, s.certificate::text as certificate, s.asked::text as asked,
       r.request_id, r.reason, r.requested_at, r.due, r.revoked_at, r.invalid_since
from statuses as s left join revocations as r using (key)
where s.key = any($1::text[])
