"""What keeps alerts from beginning. Bad messages and deaf webhooks never stop them."""

from collections.abc import Sequence

from ingest.errors import OperatorNeeded


class RulesMissing(OperatorNeeded):
    """No file of rules is named.

    Operator action: set FLEETLAKE_ALERTS__RULES to one; `infra/alerts/rules.example.yml` is an example, and
    `fleetlake alerts check FILE` says what is wrong with one.
    """

    def __init__(self) -> None:
        super().__init__(
            "there are no rules: set FLEETLAKE_ALERTS__RULES to a file such as infra/alerts/rules.example.yml"
        )


class SecretMissing(OperatorNeeded):
    """A webhook has no secret to sign with.

    Operator action: add one to FLEETLAKE_ALERTS__WEBHOOK_SECRETS for each webhook that is named.
    """

    def __init__(self, webhooks: Sequence[str]) -> None:
        self.webhooks = tuple(webhooks)
        super().__init__(
            f"no secret to sign with for {', '.join(webhooks)}: "
            'FLEETLAKE_ALERTS__WEBHOOK_SECRETS={"NAME": "..."} has one for each webhook'
        )
