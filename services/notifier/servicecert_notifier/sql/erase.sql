-- E3: of a case that is erased no recipient, name, reference or letter is kept, nor what operators wrote; its mails' rows name nobody. A mail that
-- is still tried cannot be sent any more, and is given up.
with known as (
    update ledgers set standing = null where case_id = $1::text::uuid
), letters as (
    delete from orders where mail_id in (select mail_id from mails where case_id = $1::text::uuid)
), wishes as (
    delete from notices where case_id = $1::text::uuid
)
update mails set
    reason = null,
    state = case state when 'deferred' then 'given-up' else state end,
    settled_at = case state when 'deferred' then now() else settled_at end,
    next_try_at = null
where case_id = $1::text::uuid and (reason is not null or state = 'deferred')
