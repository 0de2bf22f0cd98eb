-- Of serial numbers that are on a CRL no more, those that may be missing: they expired before this moment.
select octets from revocations where issuer = $1 and octets = any($2::bytea[]) and not_after < $3
