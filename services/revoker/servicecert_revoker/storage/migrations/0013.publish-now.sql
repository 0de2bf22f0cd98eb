do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;
-- Operators may bring the scheduled CRLs of CAs forward (F7). Those that are under way have no deadline, and stay as they are.
create function publish_crls(schedules text[]) returns int language sql security definer set search_path from current as $$
    with due as (
        update deadlines set id = gen_random_uuid(), at = now() where key = any(schedules) and kind = 'publish' returning key
    )
    select record_operation('crl publish', array_agg(key), array_agg('{}'::jsonb)) from due
$$;
