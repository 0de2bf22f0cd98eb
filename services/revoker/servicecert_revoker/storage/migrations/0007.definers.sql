-- What runs with the rights of the schema's owner looks for temporary tables last. They come first where a search path does not name them, so that an
-- operator's own table, with a trigger of the operator's, would be written instead of ours, and the trigger would run with the owner's rights.
do $$
declare found regprocedure;
begin
    for found in select oid from pg_proc where pronamespace = current_schema()::regnamespace and proconfig is not null
    loop
        execute format('alter function %s set search_path = %I, pg_temp', found, current_schema());
    end loop;
end $$;
