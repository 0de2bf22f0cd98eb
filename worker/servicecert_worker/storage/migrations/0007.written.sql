-- Up to which offset each partition of the topics that the service writes holds only what this database knows, see domain/fence.py. Updated with each
-- look of the relay: room in its page keeps that cheap.
create table written (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (topic, partition)
) with (fillfactor = 50);

do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

-- Forget the ids of cluster and topics, so that the next start stores the current ones, and what was written to them: a new topic's offsets begin at 0.
create or replace function forget_origins() returns int language sql security definer set search_path from current as $$
    with gone as (delete from origins returning name, id),
    unwritten as (delete from written)
    select record_operation('topics accept', array[''], array[jsonb_build_object('forgotten', jsonb_object_agg(name, id))]) from gone having count(*) > 0
$$;
