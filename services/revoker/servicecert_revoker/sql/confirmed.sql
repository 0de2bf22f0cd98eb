-- What two operators want of these cases.
select p.id, i.key, p.reason from proposal_items as i join proposals as p on p.id = i.proposal where i.key = any($1::text[]) and p.confirmed_by is not null
