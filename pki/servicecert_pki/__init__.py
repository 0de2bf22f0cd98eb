"""Certificate requests, names, profiles, certificates, CRLs, OCSP, and the authority that signs.

Import each module by its name, for instance ``from servicecert_pki.csr import judge_csr``. Nothing here uses a
broker or a database; the clock, the randomness and the keys are arguments.
"""
