-- name: settings
select current_setting('server_version_num')::int / 10000 as version,
       current_setting('max_locks_per_transaction')::int as locks,
       current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('autovacuum')::bool and current_setting('track_counts')::bool as autovacuum

-- name: overrides
-- Settings of roles of this database, or of the database, as `name=value`.
select coalesce(r.rolname, current_database()) as whose, s.setting
from pg_db_role_setting as d left join pg_roles as r on r.oid = d.setrole, lateral unnest(d.setconfig) as s (setting)
where d.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  and (r.rolname is null or starts_with(r.rolname, current_database() || '_')) and s.setting like 'synchronous_commit=%'

-- name: connections
select current_setting('max_connections')::int as most,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       count(*) as used,
       count(*) filter (where datname = current_database() and application_name = any($1::text[])) as used_by_services
from pg_stat_activity
where datid is not null and coalesce(backend_type, 'client backend') = 'client backend'

-- name: vacuum
select (select max(greatest(age(datfrozenxid), mxid_age(datminmxid))) from pg_database where datallowconn) as oldest,
       array(
           select format('%s.%s', n.nspname, c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
           where n.nspname = any($1::text[]) and c.reloptions && array['autovacuum_enabled=false', 'autovacuum_enabled=off']
           order by 1
       ) as without

-- name: sees_all
select pg_has_role('pg_read_all_stats', 'usage')

-- name: oldest_transaction
select extract(epoch from clock_timestamp() - xact_start)::float8 as seconds, coalesce(usename, 'a worker of the server') as whose
from pg_stat_activity
where datname = current_database() and xact_start is not null and application_name <> 'servicecert-doctor' and backend_type = 'client backend'
order by xact_start limit 1

-- name: clock
select clock_timestamp()

-- name: data_directory
select setting from pg_settings where name = 'data_directory' and setting <> ''

-- name: schemas
select nspname from pg_namespace where nspname = any($1::text[])

-- name: may_use
-- A schema that does not exist may be used: somebody else says so.
select coalesce(bool_and(has_schema_privilege(oid, 'usage')), true) from pg_namespace where nspname = $1

-- name: applied
select migration_id from _yoyo_migration

-- name: rights
-- For each of the services' roles: in which ways it has more rights than it needs.
select r.rolname as role, array_remove(array[
    case when r.rolsuper then 'is a superuser' end,
    case when r.rolcreaterole then 'may create roles' end,
    case when r.rolcreatedb then 'may create databases' end,
    case when r.rolreplication then 'may replicate' end,
    case when r.rolbypassrls then 'bypasses row security' end,
    (select 'owns ' || min(c.oid::regclass::text) from pg_class as c where c.relowner = r.oid having count(*) > 0),
    (select 'owns the schema ' || min(n.nspname) from pg_namespace as n where n.nspowner = r.oid having count(*) > 0),
    (select 'is a member of ' || string_agg(g.rolname, ', ') from pg_auth_members as m join pg_roles as g on g.oid = m.roleid
     where m.member = r.oid having count(*) > 0),
    case when not r.rolsuper and has_schema_privilege(r.oid, s.name, 'create') then 'may create tables in its schema' end,
    (select 'reads the schema ' || min(n.nspname) from pg_namespace as n
     where not r.rolsuper and n.nspname <> all(array[s.name, 'public', 'information_schema']) and not starts_with(n.nspname, 'pg_')
       and has_schema_privilege(r.oid, n.oid, 'usage') having count(*) > 0),
    (select 'may change ' || min(c.oid::regclass::text)
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where not r.rolsuper and n.nspname = s.name and c.relname in ('audit', 'audit_checkpoints')
       and has_table_privilege(r.oid, c.oid, 'update, delete, truncate') having count(*) > 0)
], null) as wider
from unnest($1::text[]) as s (name) join pg_roles as r on r.rolname = current_database() || '_' || s.name
where to_regnamespace(s.name) is not null
order by 1

-- name: begun
-- The first rows of the newest workers' chains: an operator's command has a whole chain, without a version.
select a.entry from audit_chains as c join audit as a on a.chain = c.chain and a.seq = 1
where not c.whole and a.entry like '{"begun":{"version":%' order by a.at desc limit 200

-- name: checkpoints
select number, body, key_id, signature from audit_checkpoints order by number desc limit $1

-- name: heads
-- The rows' hashes at these heads of chains.
select h.chain, a.hash from unnest($1::uuid[], $2::bigint[]) as h (chain, seq) left join audit as a using (chain, seq)

-- name: crl_passes
-- Of each CA the last one, found by one look into the index.
with recursive issuers (issuer) as (
    select min(issuer) from crls
    union all
    select (select min(c.issuer) from crls as c where c.issuer > i.issuer) from issuers as i where i.issuer is not null
)
select i.issuer, last.entries, last.seconds
from issuers as i
cross join lateral (
    select entries, extract(epoch from published_at - allocated_at)::float8 as seconds from crls
    where issuer = i.issuer and partition = 0 and published_at is not null order by number desc limit 1
) as last
order by i.issuer

-- name: booked_crls
-- The newest CRL of each partition that a certificate of the CA names, and its full one.
select used.partition, last.number, last.published_at
from (
    select coalesce(substring(labels[1] from '\.([0-9]+)\.crl$')::int, 0) as partition
    from figures(now()) where name = 'servicecert_crl_entries' and split_part(labels[1], '.', 1) = $1
) as used
cross join lateral (
    select number, published_at from crls
    where issuer = $1 and crls.partition = used.partition and published_at is not null order by number desc limit 1
) as last

-- name: standing
select standing::text from operators_certificates where issuer = $1 and serial = $2

-- name: newest_certificates
-- The newest certificate of each CA.
select issuer, serial, certificate from (
    select issuer, serial, certificate, row_number() over (partition by issuer order by begun_at desc) as place
    from (select issuer, serial, certificate, begun_at from certificates where state = 'issued' order by begun_at desc limit 500) as newest
) as placed where place = 1

-- name: refused_mails
select count(*) as refused from mails where state = 'deferred' and (answer like '5%' or refused_since is not null)
