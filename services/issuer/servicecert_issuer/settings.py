"""The issuer's settings, read from environment variables."""

from pydantic import Field
from servicecert_pki.lint import LintSetting
from servicecert_pki.signing_settings import SigningSettings
from servicecert_worker.runtime.settings import ReaderSettings


class Settings(SigningSettings, ReaderSettings):
    """The issuer's own settings, beside those of every signing service. Its acts read and verify as its turns do."""

    lint: LintSetting = Field(LintSetting.SHAPE, alias="SERVICECERT_LINT")
    """which certificates pkilint checks before they are signed: every (all of them), or shape (the first of each shape,
    in each process)
    """
