-- What each role may do with the issuer's tables (F4); see servicecert_worker/storage/rights.sql.
grant select, insert, update on certificates to {service};
grant select, insert on blocked_keys to {service};
grant select, insert on key_owners to {service};
grant select, insert on unwanted to {service};
grant select, insert, update (ended_at, position, good, bad) on rechecks to {service};
grant select, insert on recheck_findings to {service};
grant execute on function certificates_claim_key to {service};

grant select on certificates, stopped_since, blocked_keys, key_owners, unwanted to {operators};
grant select, insert, update (ended_at, position, good, bad) on rechecks to {operators};
grant select, insert on recheck_findings to {operators};
grant execute on function retry_stopped, give_up to {operators};

grant select (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, business_id,
              certificate, refusal, begun_at, sign_by, ended_at, application_sha256) on certificates to {readers};
grant select on stopped_since, blocked_keys, unwanted, rechecks, recheck_findings to {readers};
-- What is to be signed is no secret: `servicecert ca reconcile` compares it.
grant select on acts_to_sign to {service}, {operators}, {readers};

grant execute on function figures to {monitoring}, {operators}, {readers};
