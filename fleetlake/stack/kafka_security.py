"""A node of Apache Kafka that lets nobody in unknown, and nobody do what no ACL allows.

Clients come to its port with a certificate of our authority and a SCRAM password; nodes, and the
administrator who makes users and ACLs, to a second port where the certificate alone says who they are. So the
first user can be made without a password that would have to be known before there are any.
"""

from dataclasses import dataclass
from pathlib import Path

CLIENTS, NODES, CONTROLLER = "CLIENTS", "NODES", "CONTROLLER"
MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """`certificates` is a folder of `infra/security/certs.py`; the node is called `server` there."""

    certificates: Path
    nodes_port: int
    server: str = "kafka"
    administrator: str = "admin"

    def configuration(self, host: str, port: int, controller_port: int) -> dict[str, str | int]:
        """What server.properties has instead of, and beside, that of an open node."""
        nodes = f"RULE:^CN=({self.server}|{self.administrator})$/$1/"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listeners": f"{CLIENTS}://{host}:{port},{NODES}://{host}:{self.nodes_port},"
            f"{CONTROLLER}://{host}:{controller_port}",
            "advertised.listeners": f"{CLIENTS}://{host}:{port},{NODES}://{host}:{self.nodes_port}",
            "listener.security.protocol.map": f"{CLIENTS}:SASL_SSL,{NODES}:SSL,{CONTROLLER}:SSL",
            "inter.broker.listener.name": NODES,
            "sasl.enabled.mechanisms": MECHANISM,
            f"listener.name.{CLIENTS.lower()}.{MECHANISM.lower()}.sasl.jaas.config": login,
            # Of a listener with SASL only its own setting counts.
            f"listener.name.{CLIENTS.lower()}.ssl.client.auth": "required",
            "ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates / f"{self.server}.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificates / "ca.crt"),
            # A service's certificate alone is nobody's who has a right: its name needs the password.
            "ssl.principal.mapping.rules": f"{nodes},RULE:^CN=(.*)$/certificate-of-$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{self.server};User:{self.administrator}",
            "allow.everyone.if.no.acl.found": "false",
        }
