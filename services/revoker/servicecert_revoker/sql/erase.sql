-- E3: of a certificate that is erased the recipients go.
update statuses set certificate = jsonb_set(certificate, '{recipients}', '[]') where key = $1 and certificate is not null
