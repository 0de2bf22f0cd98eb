create table tally (
    key text primary key,
    version int not null,
    body jsonb not null check (body->>'numbers' not like '%raise-in-save%')
);
