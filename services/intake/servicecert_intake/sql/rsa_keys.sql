SELECT key_sha256, rsa_spki FROM keys WHERE rsa_spki IS NOT NULL ORDER BY key_sha256
