-- The case of an account that has a certificate with one of these serial numbers.
SELECT body::text FROM cases WHERE serial = ANY ($1::text[]) AND account_id = $2 ORDER BY serial LIMIT 1
