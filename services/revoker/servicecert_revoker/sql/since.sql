-- What expired before this moment was on a scheduled CRL from after its expiry, and is listed no more (RFC 5280, 3.3).
select coalesce(max(this_update), '-infinity') from crls where issuer = $1 and partition = 0 and scheduled
