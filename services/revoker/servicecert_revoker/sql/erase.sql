-- E3: of a certificate that is erased the recipients go, and who asked for its revocation and still waits.
update statuses set certificate = jsonb_set(certificate, '{recipients}', '[]'), asked = null where key = $1 and certificate is not null
