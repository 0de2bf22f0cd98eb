select key, issuer, serial, not_before, not_after, tbs, certificate
from certificates where state = 'issued' and key > $1 order by key limit $2
