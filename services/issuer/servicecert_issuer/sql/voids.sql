-- The serial numbers that were void 24 hours ago: by now every one of them is revoked (D4).
select key, issuer, serial from certificates where state = 'voided' and ended_at < now() - interval '24 hours'
