select issuer, serial, state::text as state, encode(sha256(certificate), 'hex') as fingerprint from certificates where key = $1
