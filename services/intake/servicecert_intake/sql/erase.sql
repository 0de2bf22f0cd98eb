-- E3: nothing is kept of a case that is erased. Its keys stay blocked or owned: they name nobody.
delete from cases where case_id = $1
