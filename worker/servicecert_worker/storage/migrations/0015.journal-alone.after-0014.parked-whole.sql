-- What workers of 1.1.0 needed, which published from the outbox alone and compared topics with `written`. None runs any more.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

create or replace function forget_origins() returns int language sql security definer set search_path from current as $$
    with gone as (delete from origins returning name, id)
    select record_operation('topics accept', array[''], array[jsonb_build_object('forgotten', jsonb_object_agg(name, id))]) from gone having count(*) > 0
$$;
drop table written;
drop function written_no_more();
drop trigger journaled_gone on events;
drop function events_gone();
