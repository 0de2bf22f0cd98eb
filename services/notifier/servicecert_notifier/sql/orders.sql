-- What is to be sent, of these mails.
select mail_id, data from orders where mail_id = any ($1::uuid[])
