-- What each role may do with the worker's tables (F4). `servicecert db migrate` revokes all, then grants what stands here: nothing else is permitted.
-- {service} is the service's own role, {operators} and {readers} are groups of logins, {eraser} is the login that erases (E3),
-- {monitoring} the one that reads numbers.
grant usage on schema {schema} to {service}, {eraser}, {monitoring}, {operators}, {readers};

grant select, insert, delete on inbox to {service};
grant select, insert, delete on events to {service};
grant select on outbox to {service};
-- Notes are written by triggers with the owner's rights; a service that notes a row again sends what the table holds of it.
grant select, insert, delete on changes to {service};
grant select, update (begun, epoch, look, next_offset, pruned) on journal to {service};
grant select on journaled to {service};
grant select, insert, update (owner, result), delete on intents to {service};
grant select, insert, update (id, at, traceparent), delete on deadlines to {service};
grant select, insert, update (headers, value, kept), delete on parked to {service};
grant usage on sequence parked_seq_seq to {service};
grant select, insert on origins to {service};
grant select, insert on audit to {service};
grant select, insert (chain), update (attested) on audit_chains to {service};
grant select, insert on audit_checkpoints to {service};
grant select on lock_salt, checkpoints_to_publish to {service};
grant select on _yoyo_migration to {service};
grant execute on function lock_of, record_operation, is_case to {service};

-- The eraser changes nothing and reads nothing but by these functions, which see to the five years and write the audit (E3): see erasing.sql.
grant execute on function erase, may_be_erased, keys_to_erase, erased_keys to {eraser};

-- Numbers without any key: see figures.sql.
grant execute on function worker_figures to {monitoring}, {operators}, {readers};

-- Operators change nothing but by these functions, which write the audit.
grant execute on function replay_parked, discard_parked, forget_origins to {operators};
grant select on inbox, intents, deadlines, parked, origins, journal, audit_chains, audit_checkpoints, checkpoints_to_publish, _yoyo_migration
      to {operators};
grant select (id, at) on changes to {operators};
grant select (id, topic, key, event_id, type, at) on events, outbox to {operators};
grant select (chain, seq, at, key, entry, hash) on audit to {operators};

-- Readers, such as a monitoring system or an auditor, see no content of a record, event or act.
grant select (event_id, at) on inbox to {readers};
grant select (id, topic, key, event_id, type, at) on events, outbox to {readers};
grant select (id, key, kind, owner, since) on intents to {readers};
grant select (id, at) on changes to {readers};
grant select on deadlines, origins, journal, audit_chains, audit_checkpoints, checkpoints_to_publish, _yoyo_migration to {readers};
grant select (seq, event_id, topic, partition, "offset", last_offset, type, culprit, reason, attempts, first_at, last_at, released) on parked to {readers};
grant select (chain, seq, at, key, entry, hash) on audit to {readers};
