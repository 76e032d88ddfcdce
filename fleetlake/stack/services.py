"""The programs of the real services, as `make real-services` builds them from package registries: Apache
Kafka's jars and MinIO's server. Says by name what is missing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

KAFKA, MINIO = "Apache Kafka", "MinIO"


class ServiceNotBuilt(Exception):
    """The program of a real service is missing.

    Operator action: run `make real-services`, or set the address of a server of your own.
    """

    def __init__(self, name: str, path: Path, variable: str) -> None:
        self.name, self.path, self.variable = name, path, variable
        super().__init__(
            f"{name} is not built ({path} is missing): run `make real-services`, set FLEETLAKE_SERVICES_DIR "
            f"to where it is, or {variable} to a server of your own"
        )


class JavaMissing(Exception):
    """Kafka runs on a Java machine, and none is found.

    Operator action: install a Java runtime (17 or newer).
    """

    def __init__(self) -> None:
        super().__init__("Apache Kafka needs Java 17 or newer, and there is no `java` on the PATH")


@dataclass(frozen=True, slots=True)
class Services:
    """The built programs below one folder."""

    folder: Path

    @property
    def kafka_jars(self) -> Path:
        """The folder of Kafka's jars; ServiceNotBuilt without it."""
        jars = self.folder / "kafka" / "lib"
        if not any(jars.glob("kafka_*.jar")):
            raise ServiceNotBuilt(KAFKA, jars, "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS")
        return jars

    @property
    def kafka_logging(self) -> Path:
        """How the broker logs."""
        return self.folder / "kafka" / "log4j2.properties"

    @property
    def minio(self) -> Path:
        """MinIO's server; ServiceNotBuilt without it."""
        program = self.folder / "minio" / "minio"
        if not program.is_file():
            raise ServiceNotBuilt(MINIO, program, "FLEETLAKE_LAKE__URI")
        return program


def java() -> str:
    """The Java machine; JavaMissing without one."""
    found = shutil.which("java")
    if found is None:
        raise JavaMissing
    return found
