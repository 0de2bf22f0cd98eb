-- Who asked for a revocation gets the mail about it, too (D5). Not validated: every stored role was allowed before.
alter table mails
    drop constraint mails_recipient_check,
    add constraint mails_recipient_check check (recipient in ('orderer', 'technical-contact', 'shared-mailbox', 'requester')) not valid;
