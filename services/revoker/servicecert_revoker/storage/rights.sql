-- What each role may do with the revoker's tables (F4); see servicecert_worker/storage/rights.sql.
grant select, insert, update on statuses to {service};
grant select, insert, update (request_id, reason, invalid_since, changed_at, entry, changes) on revocations to {service};
grant select, insert, update (this_update, next_update, entries, serial_sum, sha256, published_at) on crls to {service};
grant select, insert on compromised_keys to {service};
grant select, insert, update (fingerprint, refusal) on responder_certificates to {service};
-- Who proposes and confirms is written by functions, with the session's user (D2).
grant select, update (version, ordered, carried_at, done_at) on proposals to {service};
grant select on operators, proposal_items, waiting_cascades to {service};
grant execute on function propose to {service};

grant execute on function propose, propose_operator, confirm, drop_proposal, publish_crls to {operators};
grant select on operators, proposals, proposal_items, compromised_keys, operators_certificates, crls, waiting_cascades, left_undone, responder_certificates to {operators};

-- Which cases an operator decided about is in the audit as the proposal only: `servicecert audit history` tells a reader.
grant select on proposal_items, operators_certificates, crls, compromised_keys, waiting_cascades, left_undone, responder_certificates to {readers};
-- Acts name no person: `servicecert ca reconcile` compares what is to be signed for responders.
grant select (data) on intents to {readers};

grant execute on function figures to {monitoring}, {operators}, {readers};
