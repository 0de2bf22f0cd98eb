-- What is known of a case (C4): language, recipients, application, certificate, and a version. The recipients are the only addresses that are kept here,
-- until the case is erased (E3).
create table ledgers (
    case_id uuid primary key,
    version int not null check (version > 0),
    standing jsonb
);
create index ledgers_follows on ledgers ((standing ->> 'follows')) where standing ->> 'follows' is not null;
create index ledgers_subject on ledgers ((standing -> 'certificate' ->> 'subject')) where standing -> 'certificate' ->> 'subject' is not null;

-- The mail ledger (C3): one row for each mail that is owed, with its state, its times, and what became of it after it was handed over. No address is
-- kept here (E3).
create table mails (
    mail_id uuid primary key,
    entry bigint generated always as identity,
    case_id uuid not null,
    kind text not null check (kind in (
        'csr-invited', 'application-returned', 'application-nears-lapse', 'application-lapsed', 'application-refused', 'certificate-issued',
        'expires-in-60-days', 'expires-in-30-days', 'expires-in-7-days', 'certificate-revoked', 'address-refused'
    )),
    occasion text not null check (length(occasion) <= 64),
    recipient text not null check (recipient in ('orderer', 'technical-contact', 'shared-mailbox')),
    place int not null check (place >= 1),
    copy int not null default 0 check (copy >= 0),
    resends uuid references mails,
    planned_at timestamptz not null,
    give_up_at timestamptz,
    state text not null,
    attempts int not null check (attempts >= 0),
    first_tried_at timestamptz,
    tried_at timestamptz,
    next_try_at timestamptz,
    answer text check (length(answer) <= 20),
    reason text check (length(reason) <= 500),
    settled_at timestamptz,
    superseded_by uuid,
    bounce text check (length(bounce) <= 20),
    bounced_at timestamptz,
    -- One accepted hand-over of a mail, and one more for each time that an operator wants it, with a reason.
    constraint one_mail unique (case_id, kind, occasion, recipient, place, copy),
    constraint resent_for_a_reason check ((copy > 0) = (resends is not null)),
    constraint known_state check (state in ('planned', 'deferred', 'handed-over', 'refused', 'given-up', 'superseded', 'bounced')),
    constraint open_is_not_settled check ((state in ('planned', 'deferred')) = (settled_at is null)),
    constraint tried_has_an_answer check ((state = 'planned') = (answer is null) and (state = 'planned') = (attempts = 0)),
    constraint deferred_is_tried_again check ((state = 'deferred') = (next_try_at is not null)),
    constraint superseded_says_by_what check (state <> 'superseded' or superseded_by is not null),
    constraint bounced_is_whole check ((state = 'bounced') = (bounce is not null) and (bounce is null) = (bounced_at is null))
);
create index mails_owed on mails (planned_at) where state in ('planned', 'deferred');
create index mails_planned on mails using brin (planned_at);

-- I9: where a mail can go from where it stands. What a mail is, and for whom, never changes.
create function guard_mail() returns trigger language plpgsql as $$
begin
    if (new.mail_id, new.case_id, new.kind, new.occasion, new.recipient, new.place, new.copy, new.planned_at, new.resends)
        is distinct from (old.mail_id, old.case_id, old.kind, old.occasion, old.recipient, old.place, old.copy, old.planned_at, old.resends) then
        raise exception 'the mail % stays the mail it is', old.mail_id using errcode = 'integrity_constraint_violation';
    end if;
    if new.state <> old.state and not (old.state, new.state) in (
        ('planned', 'deferred'), ('planned', 'handed-over'), ('planned', 'refused'), ('planned', 'given-up'),
        ('deferred', 'handed-over'), ('deferred', 'refused'), ('deferred', 'given-up'), ('deferred', 'superseded'),
        ('superseded', 'handed-over'), ('handed-over', 'bounced')
    ) then
        raise exception 'the mail % is %, and does not become %', old.mail_id, old.state, new.state
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end
$$;
create trigger guard_mail before update on mails for each row execute function guard_mail();

-- What is to be sent, for as long as the case is not erased (E3): a mail is tried again, or sent again, from here. Here are the addresses.
create table orders (
    mail_id uuid primary key references mails,
    data bytea not null
) with (toast_tuple_target = 8160);
alter table orders alter column data set storage external;

-- What reached the notifier of a mail by another way than a topic: an operator's wish, or a report that brought it back.
create table notices (
    id uuid primary key,
    case_id uuid not null,
    mail_id uuid not null references mails,
    wanted text not null check (wanted in ('resend', 'bounce')),
    text text not null check (length(text) between 1 and 500),
    at timestamptz not null,
    address text check (length(address) <= 254)
);
create index notices_case on notices (case_id);
create unique index one_bounce on notices (mail_id) where wanted = 'bounce';

-- How fast reminders go: until when what was given out fills each recipient domain's rate, and how many mails each minute to come has. No addresses.
create table paces (
    domain text primary key,
    filled_until timestamptz not null
);
create table pace_minutes (
    minute timestamptz primary key,
    mails int not null check (mails > 0)
);
