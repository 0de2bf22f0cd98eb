-- What intake erases (E3); see servicecert_worker/storage/erasing.sql. What the issuer refused ended after the last state that intake decided.
create or replace function case_end(of_key text) returns timestamptz language sql stable as $$
    select coalesce(case
        when serial is not null then time_of(body #>> '{certificate,not_after}')
        when state in ('refused', 'withdrawn', 'lapsed')
            then greatest(time_of(body -> 'entered' -> -1 ->> 'at'), time_of(body ->> 'unissued_at'))
    end, 'infinity')
    from cases where case_id = of_key
$$;

create or replace function cases_to_erase() returns setof text language sql stable as $$
    select case_id from cases
    where state in ('refused', 'withdrawn', 'lapsed') and serial is null
      and (body -> 'entered' -> -1 ->> 'at') collate "C" < to_char(erasable_before() + interval '2 days', 'YYYY-MM-DD')
$$;

-- Nothing of an erased case is kept. Its keys stay blocked or owned: they name nobody.
create or replace function erase_case(of_key text) returns int language sql as $$
    with gone as (delete from cases where case_id = of_key returning 1) select count(*)::int from gone
$$;
