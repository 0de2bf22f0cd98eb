-- The run under way, or a new one. Locked until the part is stored, so that two workers do not go through the same part.
with begun as (
    insert into rechecks default values
    on conflict ((true)) where ended_at is null do update set position = rechecks.position
    returning id, position, good, bad
)
select id, position, good, bad from begun
