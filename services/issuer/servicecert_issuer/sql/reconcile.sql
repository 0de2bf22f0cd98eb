-- Everything that must not be, a row for each: what it is, and of which case.
select 'never-finished' as what, c.key,
       'is intended, and no act is open that would sign or end it' as words
from certificates c where c.state = 'intended' and not exists (select from intents i where i.key = c.key and i.kind = 'sign')
union all
select 'nothing-intended', i.key, 'has an act open that signs, and is not intended'
from intents i left join certificates c on c.key = i.key where i.kind = 'sign' and c.state is distinct from 'intended'
union all
select 'late', c.key, 'should have been signed or void by ' || to_char(c.sign_by at time zone 'utc', 'YYYY-MM-DD HH24:MI') || ' UTC'
from certificates c join intents i on i.key = c.key and i.kind = 'sign' where c.state = 'intended' and c.sign_by < now()
union all
-- A certificate is a sequence with four octets of header, and then the bytes that were signed (RFC 5280, 4.1).
select 'other-bytes', c.key, 'is issued with other bytes than were intended'
from certificates c where c.state = 'issued' and substring(c.certificate from 5 for length(c.tbs)) is distinct from c.tbs
union all
select 'other-serial', c.key, 'was intended with another serial number than is recorded'
from certificates c where c.serial is not null and position(decode(c.serial, 'hex') in substring(c.tbs from 1 for 40)) = 0
union all
select 'twice', string_agg(c.key, ', ' order by c.key), 'have one serial number of ' || c.issuer
from certificates c where c.serial is not null group by c.issuer, c.serial having count(*) > 1
order by 1, 2
