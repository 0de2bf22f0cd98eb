-- What OCSP responders are to know of the next cases after $1: every certificate, and of what is void what a published CRL lists (D8, I7).
select s.key, s.issuer, s.serial, (s.certificate ->> 'not_after')::timestamptz as not_after, s.standing >= 'listed' as listed,
       r.reason, r.revoked_at, r.invalid_since
from statuses as s left join revocations as r on r.key = s.key
where s.key > $1 and (s.standing >= 'listed' or s.standing >= 'valid' and s.certificate ? 'account_id')
order by s.key
limit $2
