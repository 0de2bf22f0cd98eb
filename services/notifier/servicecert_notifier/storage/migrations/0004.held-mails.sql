-- A mail beyond an hour's most of a case and recipient is deferred before its first try, and superseded by the next one (F5).
alter table mails
    drop constraint tried_has_an_answer,
    add constraint tried_has_an_answer check (
        (attempts = 0) = (answer is null)
        and (state <> 'planned' or attempts = 0)
        and (attempts > 0 or state in ('planned', 'deferred', 'superseded'))
    );
