-- E3: of a certificate that is erased the recipients go.
update certificates set "grant" = jsonb_set("grant", '{recipients}', '[]') where key = $1 and "grant" is not null
