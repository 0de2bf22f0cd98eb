-- The run under way, or a new one.
with begun as (
    insert into rechecks default values
    on conflict ((true)) where ended_at is null do update set position = rechecks.position
    returning id, position, good, bad
)
select id, position, good, bad from begun
