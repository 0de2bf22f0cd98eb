update crls set this_update = $4, next_update = $5, entries = $6, sha256 = $7, published_at = $8
where issuer = $1 and partition = $2 and number = $3
