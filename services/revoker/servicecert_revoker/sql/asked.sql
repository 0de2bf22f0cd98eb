select octets, partition from revocations where issuer = $1 and octets = any($2::bytea[])
