-- The valid certificates of a key that no confirmed proposal about it holds, at most $3.
select s.key as case_id, s.certificate ->> 'account_id' as account_id, s.serial
from statuses as s
where s.key_sha256 = $1 and s.standing = 'valid' and (s.certificate ->> 'not_after')::timestamptz > $2
  and not exists (
      select from proposal_items as i join proposals as p on p.id = i.proposal
      where i.key = s.key and p.key_sha256 = $1 and p.confirmed_by is not null
  )
order by s.key limit $3
