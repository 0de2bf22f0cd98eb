-- Confirmed proposals that are not dropped, each with the first $2 of the certificates that are left.
select p.id, p.version, p.reason, p.proposed_by || '/' || p.confirmed_by as operators, p.key_sha256, p.rate, p.total, p.ordered, p.carried_at, p.done_at,
       coalesce((
           select jsonb_agg(jsonb_build_object('case_id', s.key, 'account_id', s.certificate ->> 'account_id', 'serial', s.serial) order by i.place)
           from proposal_items as i join statuses as s on s.key = i.key
           where i.proposal = p.id and i.place > p.ordered and i.place <= p.ordered + $2
       ), '[]')::text as next
from proposals as p
where p.id = any($1::uuid[]) and p.confirmed_by is not null
