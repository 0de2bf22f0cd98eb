-- All that is revoked, until a scheduled CRL from after the certificate's expiry has shown it once more (RFC 5280, 3.3); and what is asked for ($3).
select serial, revoked_at, reason, invalid_since, entry
from revocations
where issuer = $1 and (partition = $2 or $2 = 0)
  and (serial = any($3::text[])
       or not_after >= coalesce((select max(this_update) from crls where issuer = $1 and partition = $2 and scheduled), '-infinity'))
order by revoked_at, serial
