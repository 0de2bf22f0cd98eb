-- What is to be signed, for those who may not read what other acts hold.
create view acts_to_sign as select key, data from intents where kind = 'sign';
