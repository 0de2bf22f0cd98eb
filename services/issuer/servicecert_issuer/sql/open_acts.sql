select i.key, i.data, c.tbs, c.issuer from intents i join certificates c on c.key = i.key where i.kind = 'sign' and c.state = 'intended'
