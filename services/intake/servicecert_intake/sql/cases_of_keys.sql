SELECT body -> 'key' ->> 'sha256' AS key_sha256, case_id, state::text
FROM cases
WHERE body -> 'key' ->> 'sha256' = ANY ($1::text[])
ORDER BY case_id
