-- Between the CRL that lists a certificate and the word that it is revoked, OCSP is asked whether it says so too (D5, I7).
alter type standing add value 'listed' before 'revoked';
