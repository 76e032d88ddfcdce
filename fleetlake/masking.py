"""Settings without the secrets in them."""

from typing import Any

from pydantic import SecretStr

MASK = "***"
SECRET_WORDS = ("password", "secret", "token", "credential", "jaas", "key.pem")


def shown(path: tuple[str, ...], value: Any) -> Any:
    """The value of a setting as a person may see it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, SecretStr) or any(word in path[-1].lower() for word in SECRET_WORDS):
        return MASK
    if isinstance(value, list):
        return [str(each) for each in value]
    if isinstance(value, int | float):
        return value
    return masked_url(str(value))


def masked_url(text: str) -> str:
    """An address without the password it may carry."""
    scheme, separator, rest = text.partition("://")
    credentials, at, host = rest.rpartition("@")
    if not separator or not at:
        return text
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:{MASK}@{host}"
