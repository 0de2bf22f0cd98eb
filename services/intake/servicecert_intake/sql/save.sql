INSERT INTO cases (case_id, version, state, account_id, body)
SELECT changed.case_id, changed.loaded + 1, changed.state::case_state, changed.account_id, changed.body::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) AS changed (case_id, loaded, state, account_id, body)
LEFT JOIN cases AS stored USING (case_id)
WHERE coalesce(stored.version, 0) = changed.loaded
ON CONFLICT (case_id) DO UPDATE
SET version = excluded.version, state = excluded.state, body = excluded.body
WHERE cases.version = excluded.version - 1
