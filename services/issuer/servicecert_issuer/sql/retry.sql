insert into deadlines (key, kind, id, at)
select key, 'retry', gen_random_uuid(), now() from certificates where application is not null and key = any($1::text[])
on conflict (key, kind) do update set id = excluded.id, at = excluded.at
returning key
