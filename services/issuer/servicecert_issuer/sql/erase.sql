-- E3: of a certificate that is erased the recipients go, and an application that was stopped is no longer to be tried.
with stopped as (
    update certificates set state = 'refused', refusal = 'erased', application = null, findings = null, issuer = null
    where key = $1 and state = 'stopped'
)
update certificates set "grant" = jsonb_set("grant", '{recipients}', '[]') where key = $1 and "grant" is not null
