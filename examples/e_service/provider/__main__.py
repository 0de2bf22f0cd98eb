"""`python -m provider`: the provider, on the address of the same settings as the e-service's."""

import os
from urllib.parse import urlsplit

import uvicorn

from .app import Client, make_app

if __name__ == "__main__":
    issuer = os.environ["PORTAL_PROVIDER"]
    callback = f"{os.environ['PORTAL_URL']}/login/callback"
    client = Client(os.environ["PORTAL_CLIENT_ID"], os.environ["PORTAL_CLIENT_SECRET"], callback)
    address = urlsplit(issuer)
    uvicorn.run(make_app(issuer, client), host=address.hostname or "", port=address.port or 8701, log_level="warning")
