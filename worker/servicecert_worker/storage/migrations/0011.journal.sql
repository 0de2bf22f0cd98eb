-- The journal: what a service's tables hold reaches the topic <service>.journal before any event that follows from it, so that tables that come back from
-- the past are brought forward by what the topic has, and tables or a broker that do are told from others.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

-- In the order in which turns, checkpoints and operators' functions lock them: each is waited for, and none waits for another one.
lock table intents, deadlines, parked, audit_checkpoints, audit_chains in share row exclusive mode;
lock table outbox in access exclusive mode;
lock table audit, origins, written in share row exclusive mode;

-- What changed and is not in the journal yet: the keys of rows, by groups of tables. The relay sends what the tables hold of them, and then deletes this.
create table changes (
    id uuid primary key default gen_random_uuid(),
    -- What is committed by now has no higher place than the last one that is there, whatever a clock says.
    place bigint generated always as identity,
    name text not null,
    keys text[] not null,
    at timestamptz not null default now()
);
-- Rows live for milliseconds, and the relay reads them all.
alter table changes set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index changes_of_events on changes (id) where name = 'events';

-- The last look that the topic is known to have, by its epoch and number, and the offset after it. A new relay begins an epoch, after the last that
-- `begun` has, and counts its looks in it. Of what compaction lets go, `pruned` says up to when newer events were looked at.
create table journal (
    only_one boolean primary key default true check (only_one),
    begun bigint not null default 0,
    epoch bigint not null default 0,
    look bigint not null default 0,
    next_offset bigint,
    pruned timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into journal default values;

-- Which tables are in the journal, in the order in which their rows may be stored: the group, and the columns that make the key in it. A key of several
-- columns is a JSON array.
create table journaled (
    place int generated always as identity primary key,
    "table" text not null unique,
    name text not null,
    columns text[] not null
);

-- Put a table into the journal. Each change of a row is noted, wherever it comes from, by a trigger that has the owner's rights: nobody else can write a
-- note. A table in the group 'key' has the rows of keys that have turns: a turn notes its keys by the audit, so only what others change is noted here, and
-- what a function with the owner's rights does, whatever its caller has set. Any other group is a table of its own.
create function keep_in_journal(it text, name text, columns text[]) returns void language plpgsql as $$
declare
    parts text := (select string_agg(format('new.%I', part), ', ') from unnest(columns) as part);
begin
    perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
    insert into journaled ("table", name, columns) values (it, name, columns);
    execute format(
        'create function %I() returns trigger language plpgsql security definer set search_path from current set timezone to ''UTC'' set datestyle to ''ISO'' as $f$ begin
             if tg_op = ''DELETE'' then new := old; end if;
             insert into changes (name, keys) values (%L, array[%s::text]);
             return null;
         end $f$', it || '_changed', name, case cardinality(columns) when 1 then parts else 'jsonb_build_array(' || parts || ')' end);
    execute format(
        'create trigger journaled after insert or update or delete on %I for each row %s execute function %I()',
        it,
        case name when 'key' then 'when (current_setting(''servicecert.turn'', true) is distinct from ''on'' or current_user <> session_user)' end,
        it || '_changed');
end $$;

-- An event stays here once it is published, as long as its topic keeps it, so that a topic that Kafka has lost is filled again. `outbox` has the others.
alter table outbox rename to events;
create view outbox as
select id, topic, key, event_id, type, traceparent, at, payload, signature from events
where id = any(array(select unnest(keys)::bigint from changes where name = 'events'));
create index events_key on events (key);
create index events_at on events (topic, at);
-- What is deleted stays in the index until it is vacuumed, before what is looked for.
alter table events set (autovacuum_vacuum_scale_factor = 0.02);
create index intents_key on intents (key);
create or replace view checkpoints_to_publish as
select (convert_from(payload, 'utf8')::jsonb ->> 'number')::int as number from outbox where topic = 'audit-checkpoints';

do $$ begin
    perform keep_in_journal('audit_chains', 'audit_chains', '{chain}');
    perform keep_in_journal('audit_checkpoints', 'audit_checkpoints', '{number}');
    perform keep_in_journal('parked', 'parked', '{seq}');
    perform keep_in_journal('origins', 'origins', '{name}');
    insert into journaled ("table", name, columns) values ('audit', 'audit', '{chain,seq}'), ('events', 'events', '{id}');
    perform keep_in_journal('intents', 'key', '{key}');
    perform keep_in_journal('deadlines', 'key', '{key}');
end $$;

-- A turn notes its keys by its rows of the audit, and what it publishes.
create function audit_noted() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into changes (name, keys)
    select 'audit', array_agg(jsonb_build_array(chain, seq)::text) from rows having count(*) > 0
    union all
    select 'key', array_agg(distinct key) from rows where key <> '' having count(*) > 0;
    return null;
end $$;
create trigger journaled after insert on audit referencing new table as rows for each statement execute function audit_noted();
create trigger journaled_erased after update on audit referencing new table as rows for each statement execute function audit_noted();
create function events_noted() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into changes (name, keys) select 'events', array_agg(id::text) from rows having count(*) > 0;
    return null;
end $$;
create trigger journaled after insert on events referencing new table as rows for each statement execute function events_noted();

-- The version before deletes what it has published, and sends no changes: they stay, for the relay of this version, but it need not look through them.
create function events_gone() returns trigger language plpgsql security definer set search_path from current as $$
begin
    update changes set name = 'key', keys = '{}'
    where name = 'events' and keys && array(select id::text from gone)
          and not exists (select from events as e where e.id = any(changes.keys::bigint[]));
    return null;
end $$;
create trigger journaled_gone after delete on events referencing old table as gone for each statement execute function events_gone();

insert into changes (name, keys) select 'events', array_agg(id::text) from events having count(*) > 0;
-- The last row of each chain: tables that lack one, or one before it, come from before the journal.
insert into changes (name, keys)
select 'audit', array_agg(jsonb_build_array(c.chain, last.seq)::text) from audit_chains as c
cross join lateral (select seq from audit where chain = c.chain order by seq desc limit 1) as last having count(*) > 0;

-- The version before compares its topics with this table: without a row there is nothing to compare.
delete from written;
create function written_no_more() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger written_no_more before insert on written for each row execute function written_no_more();
