-- What is known of a case beside its mails (C4): language, recipients, application, certificate. The recipients are the only addresses that are kept
-- here, until the case is erased (E3).
alter table ledgers add column standing jsonb;

create index ledgers_follows on ledgers ((standing ->> 'follows')) where standing ->> 'follows' is not null;
create index ledgers_subject on ledgers ((standing -> 'certificate' ->> 'subject')) where standing -> 'certificate' ->> 'subject' is not null;

alter table mails drop constraint mails_kind_check;
alter table mails add constraint mails_kind_check check (kind in (
    'csr-invited', 'application-returned', 'application-nears-lapse', 'application-lapsed', 'application-refused', 'certificate-issued',
    'expires-in-60-days', 'expires-in-30-days', 'expires-in-7-days', 'certificate-revoked', 'address-refused'
));

-- How fast reminders go: until when what was given out fills each recipient domain's rate, and how many mails each minute to come has. No addresses.
create table paces (
    domain text primary key,
    filled_until timestamptz not null
);
create table pace_minutes (
    minute timestamptz primary key,
    mails int not null check (mails > 0)
);
