-- What the monitoring login sees of the notifier's tables (F4); see servicecert_worker/storage/figures.sql.
create or replace function figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    with deferred as materialized (
        select kind, count(*) as mails, extract(epoch from $1 - min(planned_at)) as age from mails where state = 'deferred' group by kind
    )
    select 'servicecert_mails_deferred', array[kind::text], mails::float8 from deferred
    union all
    select 'servicecert_mails_deferred_oldest_seconds', '{}', coalesce(max(age), 0) from deferred
    union all
    select 'servicecert_reminders_held_back', array['within an hour'], coalesce(sum(mails) filter (where minute <= $1 + interval '1 hour'), 0)
    from pace_minutes where minute > $1
    union all
    select 'servicecert_reminders_held_back', array['later'], coalesce(sum(mails) filter (where minute > $1 + interval '1 hour'), 0)
    from pace_minutes where minute > $1
$$;
