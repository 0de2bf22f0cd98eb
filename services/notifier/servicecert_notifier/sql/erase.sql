-- E3: of a case that is erased no recipient, name or reference is kept; its mails' rows name nobody.
update ledgers set standing = null where case_id = $1::uuid
