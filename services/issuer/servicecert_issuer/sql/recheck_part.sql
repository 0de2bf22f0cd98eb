select key, issuer, serial, not_before, not_after, key_sha256, tbs, certificate
from certificates where state = 'issued' and key > $1 order by key limit $2
