-- The mail ledger (C3): one row for each mail that is owed, and a version for each case. No address is kept here (E3).
create table ledgers (
    case_id uuid primary key,
    version int not null check (version > 0)
);

create table mails (
    mail_id uuid primary key,
    entry bigint generated always as identity,
    case_id uuid not null,
    kind text not null check (kind in ('certificate-issued', 'application-returned', 'certificate-revoked')),
    occasion text not null check (length(occasion) <= 64),
    recipient text not null check (recipient in ('orderer', 'technical-contact', 'shared-mailbox')),
    place int not null check (place >= 1),
    planned_at timestamptz not null,
    state text not null check (state in ('planned', 'handed-over', 'refused', 'given-up')),
    attempts int not null check (attempts >= 0),
    answer text check (length(answer) <= 20),
    settled_at timestamptz,
    constraint one_mail unique (case_id, kind, occasion, recipient, place),
    constraint settled_is_whole check ((state = 'planned') = (settled_at is null) and (state = 'planned') = (answer is null)),
    constraint settled_was_tried check (state = 'planned' or attempts >= 1)
);

create index mails_owed on mails (planned_at) where state = 'planned';
