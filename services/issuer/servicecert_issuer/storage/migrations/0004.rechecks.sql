-- One row a run through the stock: how far it has come, and how many certificates were good and bad. A run that is not at its end is gone on with.
create table rechecks (
    id bigint generated always as identity primary key,
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    position text not null default '',
    good bigint not null default 0 check (good >= 0),
    bad bigint not null default 0 check (bad >= 0)
);
-- At most one run is under way.
create unique index rechecks_under_way on rechecks ((true)) where ended_at is null;

create table recheck_findings (
    recheck bigint not null references rechecks,
    key text not null,
    issuer text not null,
    serial text not null,
    codes text[] not null check (cardinality(codes) > 0),
    primary key (recheck, key)
);
