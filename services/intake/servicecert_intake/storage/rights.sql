-- What each role may do with intake's tables (F4); see servicecert_worker/storage/rights.sql.
grant select, insert, update (version, state, body) on cases to {service};
grant select, insert, update (business_id, blocked, seen_at) on keys to {service};
grant select, insert, update (events), delete on account_events to {service};

grant select (case_id, version, state, account_id, serial, body) on cases to {operators};
grant select on keys to {operators};

grant select (case_id, version, state, account_id, serial) on cases to {readers};
grant select (key_sha256, business_id, blocked, seen_at) on keys to {readers};

grant execute on function figures to {monitoring}, {operators}, {readers};
