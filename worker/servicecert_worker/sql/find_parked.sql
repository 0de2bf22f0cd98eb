-- The culprits of a selection, with how many wait behind each.
select p.event_id, p.key, p.topic, p.partition, p."offset", p.type, p.culprit, p.reason, p.error, p.attempts,
       p.first_at, p.last_at, p.released,
       (select count(*) from parked w where w.key = p.key and not w.culprit)::int as waiting
from parked p
where p.culprit
  and ($1::uuid is null or p.event_id = $1)
  and ($2::text is null or p.key = $2)
  and ($3::text is null or p.reason = $3)
  and ($4::timestamptz is null or p.first_at < $4)
order by p.seq
