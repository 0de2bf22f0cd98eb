-- What a turn decides reaches the statement `write` as an array of each of these.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

create type turn_event as (topic text, key text, event_id uuid, type text, traceparent text, payload bytea, signature text);
create type turn_intent as (id uuid, key text, kind text, data bytea, traceparent text);
create type turn_deadline as (id uuid, key text, kind text, at timestamptz, traceparent text);
create type turn_audit as (seq bigint, key text, entry text, hash bytea, salt bytea);
