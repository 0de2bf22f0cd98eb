-- The service's signature over an event, made by the turn that decided it: a row that no turn wrote has none, and readers refuse it (F2).
alter table outbox add column signature text;
