-- The certificates that may have taken the place of those of the given cases: of the same account, following the one or with its subject.
select s.case_id, o.standing
from ledgers s
join ledgers o on o.case_id <> s.case_id
    and (o.standing ->> 'follows' = s.standing -> 'certificate' ->> 'serial'
         or o.standing -> 'certificate' ->> 'subject' = s.standing -> 'certificate' ->> 'subject')
where s.case_id = any ($1::uuid[])
    and o.standing -> 'correspondence' ->> 'account_id' = s.standing -> 'correspondence' ->> 'account_id'
    and o.standing -> 'certificate' ->> 'serial' is not null
