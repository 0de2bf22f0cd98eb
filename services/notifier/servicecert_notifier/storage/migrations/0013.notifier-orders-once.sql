-- The order of a mail is stored once: its intent refers to the row of `orders`, which stays until nothing of the case is to be done. Who takes the intent
-- over, by setting its owner, finds the order in it.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

create function refer_to_order() returns trigger language plpgsql as $$
begin
    new.data := coalesce((
        select convert_to(mail_id::text, 'utf8') from orders
        where mail_id = (convert_from(new.data, 'utf8')::json ->> 'mail_id')::uuid and data = new.data
    ), new.data);
    return new;
end $$;
create function read_order() returns trigger language plpgsql as $$
begin
    new.data := coalesce((select data from orders where mail_id = convert_from(old.data, 'utf8')::uuid), old.data);
    return new;
end $$;

-- The version before sets nothing of that name, and reads what it intends without taking it over.
create trigger refer_to_order before insert on intents for each row
when (new.kind = 'mail' and current_setting('servicecert.turn', true) = 'on') execute function refer_to_order();
create trigger read_order before update of owner on intents for each row
when (old.kind = 'mail' and octet_length(old.data) = 36) execute function read_order();
