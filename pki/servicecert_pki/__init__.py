"""What certificates are: requests, names, profiles, certificates, CRLs, and the authority that signs them.

Each subject is a module of its own and is imported by its name, for instance
``from servicecert_pki.csr import judge_csr``. Nothing here knows of brokers or databases; the clock, the
randomness and the keys are arguments.
"""
