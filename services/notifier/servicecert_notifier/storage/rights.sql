-- What each role may do with the notifier's tables (F4); see servicecert_worker/storage/rights.sql.
grant select, insert, update (version, standing) on ledgers to {service};
grant select, insert,
      update (state, attempts, answer, first_tried_at, tried_at, next_try_at, settled_at, superseded_by, bounce, bounced_at, relay, refused_since,
              give_up_at)
      on mails to {service};
grant select, insert on orders to {service};
grant select, insert on notices to {service};
grant select, insert, update (filled_until), delete on paces to {service};
grant select, insert, update (mails), delete on pace_minutes to {service};

grant select on ledgers, mails, orders, notices, pace_minutes to {operators};
grant execute on function resend_mails to {operators};

-- No address, and no text that an operator wrote.
grant select (mail_id, entry, case_id, kind, occasion, recipient, place, copy, resends, planned_at, give_up_at, state, attempts, first_tried_at, tried_at,
              next_try_at, answer, settled_at, superseded_by, bounce, bounced_at, relay, refused_since) on mails to {readers};
grant select on pace_minutes to {readers};

grant execute on function figures to {monitoring}, {operators}, {readers};
