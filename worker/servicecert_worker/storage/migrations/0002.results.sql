-- The result of an intent whose turn is not committed yet: who adopts the intent takes it, and does not do the intent again.
alter table intents add column result bytea;
