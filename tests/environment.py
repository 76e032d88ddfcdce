"""The settings of a test as an operator gives them: variables of the environment."""

from broker.settings import KafkaSettings
from lake.settings import LakeSettings, MongoSettings


def of_kafka(kafka: KafkaSettings) -> dict[str, str]:
    """How to reach the broker, and the groups of the test's own."""
    given = {
        "BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "GROUP_PREFIX": kafka.group_prefix,
        "GROUP_PROTOCOL": kafka.group_protocol,
    }
    if kafka.incarnation_file is not None:
        given["INCARNATION_FILE"] = str(kafka.incarnation_file)
    return {f"FLEETLAKE_KAFKA__{name}": value for name, value in given.items()}


def of_mongo(mongo: MongoSettings) -> dict[str, str]:
    """MongoDB, and the database of the test's own."""
    return {"FLEETLAKE_MONGO__URI": mongo.uri, "FLEETLAKE_MONGO__DATABASE": mongo.database}


def of_lake(lake: LakeSettings) -> dict[str, str]:
    """The lake's address, and the credential where it is not a folder."""
    s3, given = lake.s3, {"FLEETLAKE_LAKE__URI": lake.uri}
    if s3.endpoint_url is not None:
        given["FLEETLAKE_LAKE__S3__ENDPOINT_URL"] = s3.endpoint_url
    if s3.access_key_id is not None and s3.secret_access_key is not None:
        given["FLEETLAKE_LAKE__S3__ACCESS_KEY_ID"] = s3.access_key_id
        given["FLEETLAKE_LAKE__S3__SECRET_ACCESS_KEY"] = s3.secret_access_key.get_secret_value()
    return given
