SELECT case_id, version, body::text
FROM cases
WHERE case_id = ANY ($1::text[])
