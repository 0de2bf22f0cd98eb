select count(*) as open, count(*) filter (where r.due < $1) as late,
       coalesce(extract(epoch from $1 - min(r.requested_at)), 0)::float as oldest
from statuses as s join revocations as r using (key)
where s.standing > 'valid' and s.standing < 'revoked'
