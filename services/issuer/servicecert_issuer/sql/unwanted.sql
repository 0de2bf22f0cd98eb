select key from unwanted where key = any($1::text[])
