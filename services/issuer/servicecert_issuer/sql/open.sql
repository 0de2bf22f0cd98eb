select (select count(*) from intents where kind = 'sign') as intended,
       (select count(*) from certificates where application is not null) as stopped
