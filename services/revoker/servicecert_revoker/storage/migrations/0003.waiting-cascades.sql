-- The cascades that were stopped because a person must confirm them, while some of their certificates are valid or not yet revoked for relying parties
-- (D6): until they are confirmed, and all that they order is done. What is dropped, or has expired, waits for nobody.
create view waiting_cascades as
select p.id, p.proposed_at, (array_agg(i.key order by i.place))[1] as first_case
from proposals as p join proposal_items as i on i.proposal = p.id join statuses as s on s.key = i.key
where p.kind = 'cascade' and p.dropped_by is null
  and (s.standing in ('registered', 'listed') or s.standing = 'valid' and (s.certificate ->> 'not_after')::timestamptz > now())
group by p.id;
