"""What intake is told by its environment."""

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Nothing of its own: broker, database and health port are the worker's."""
