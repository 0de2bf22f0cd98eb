-- E3, F4: all that the eraser may do. It has no right on any table: these run with the owner's rights, decide by the tables alone whether a key may be
-- erased, and write the audit. Each service adds `case_end`, when a case ended as far as its own tables know (null: they do not know the case; infinity:
-- it has not ended), and `erase_case`, which returns how much it erased. `servicecert db migrate` creates all anew.
create or replace function erasable_before() returns timestamptz language sql stable as $$ select now() - interval '5 years' $$;

create or replace function is_case(key text) returns boolean language sql immutable as $$
    select key ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
$$;

-- A time in a row that a login has written otherwise than a service does: nothing says that its case has ended.
create or replace function time_of(written text) returns timestamptz language plpgsql stable as $$
begin
    return written::timestamptz;
exception when data_exception then
    return 'infinity';
end $$;

create or replace function may_be_erased(of_key text) returns boolean language plpgsql stable security definer set search_path from current as $$
begin
    return coalesce(case_end(of_key) < erasable_before(), true);
end $$;

-- Whether there is something to publish or to do.
create or replace function is_at_work(of_key text) returns boolean language sql stable as $$
    select exists (select from outbox where key = of_key) or exists (select from intents where key = of_key)
$$;

-- The cases that a service finds due by itself: intake and issuer do.
create or replace function cases_to_erase() returns setof text language sql stable as $$ select null where false $$;

create or replace function keys_to_erase() returns setof text language plpgsql stable security definer set search_path from current as $$
begin
    return query
    select found.key from (
        select due as key from cases_to_erase() as due
        union
        select parked.key from parked group by parked.key having max(first_at) < erasable_before()
    ) as found
    where may_be_erased(found.key);
end $$;

create or replace function erased_keys() returns setof text language sql stable security definer set search_path from current as $$
    select distinct key from audit
    where entry like '%"erase"%' and case when entry is json and position('\u0000' in entry) = 0 then entry::jsonb #>> '{happened,command}' = 'erase' end
$$;

-- Erase what this schema has of a key: false if it may not, or if it has something to publish or to do. Of a case that it does not know, what is old by
-- itself. What was parked counts as handled, like any other event of the key; without its salt a digest of the audit says nothing. The caller holds the
-- key's lock as long as it likes: so only where there is something to erase.
create or replace function erase(of_key text) returns boolean language plpgsql security definer set search_path from current as $$
declare
    is_known boolean := case_end(of_key) is not null;
    parked_long_ago boolean := (select max(first_at) < erasable_before() from parked where key = of_key);
    erased int;
    more int;
begin
    if not may_be_erased(of_key) then
        return false;
    elsif not (is_known or coalesce(parked_long_ago, false) or is_case(of_key) and exists (
        select from audit where key = of_key and salt is not null and at < erasable_before()))
    then
        return not is_at_work(of_key);
    end if;
    perform pg_advisory_xact_lock(lock_of('key/' || of_key));
    if not may_be_erased(of_key) or is_at_work(of_key) then
        return false;
    end if;
    with gone as (delete from parked where key = of_key and (is_known or parked_long_ago) returning event_id),
    handled as (insert into inbox (event_id) select event_id from gone on conflict do nothing)
    select count(*) from gone into erased;
    update audit set salt = null where key = of_key and salt is not null and (is_known or at < erasable_before());
    get diagnostics more = row_count;
    erased := erased + more;
    if is_known then
        delete from deadlines where key = of_key;
        with gone as (delete from events where key = of_key returning id)
        insert into changes (name, keys) select 'events', array_agg(id::text) from gone having count(*) > 0;
        erased := erased + erase_case(of_key);
    end if;
    if erased > 0 then
        perform record_operation('erase', array[of_key], array['{}'::jsonb]);
    end if;
    return true;
end $$;
