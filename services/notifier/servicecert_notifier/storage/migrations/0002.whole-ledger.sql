-- C3: a row tells each state that a mail can be in, with its times, and what became of it after it was handed over.
alter table mails
    add column copy int not null default 0 check (copy >= 0),
    add column give_up_at timestamptz,
    add column first_tried_at timestamptz,
    add column tried_at timestamptz,
    add column next_try_at timestamptz,
    add column resends uuid references mails,
    add column reason text check (length(reason) <= 500),
    add column superseded_by uuid,
    add column bounce text check (length(bounce) <= 20),
    add column bounced_at timestamptz;

update mails set first_tried_at = settled_at, tried_at = settled_at where settled_at is not null;

-- One accepted hand-over of a mail, and one more for each time that an operator wants it, with a reason.
alter table mails
    drop constraint mails_state_check,
    drop constraint one_mail,
    drop constraint settled_is_whole,
    drop constraint settled_was_tried,
    add constraint one_mail unique (case_id, kind, occasion, recipient, place, copy),
    add constraint known_state check (state in ('planned', 'deferred', 'handed-over', 'refused', 'given-up', 'superseded', 'bounced')),
    add constraint open_is_not_settled check ((state in ('planned', 'deferred')) = (settled_at is null)),
    add constraint tried_has_an_answer check ((state = 'planned') = (answer is null) and (state = 'planned') = (attempts = 0)),
    add constraint deferred_is_tried_again check ((state = 'deferred') = (next_try_at is not null)),
    add constraint superseded_says_by_what check (state <> 'superseded' or superseded_by is not null),
    add constraint bounced_is_whole check ((state = 'bounced') = (bounce is not null) and (bounce is null) = (bounced_at is null)),
    add constraint resent_for_a_reason check ((copy > 0) = (resends is not null));

drop index mails_owed;
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
