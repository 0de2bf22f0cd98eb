"""The canary's cases are for the test environment only (I11): figures of the business leave them out."""

from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies


def certificate_type(application: Application) -> Deficiencies:
    if application.of_canary and not application.form.type.is_test:
        return (lacking.CANARY_FOR_PRODUCTION.deficiency(),)
    return ()
