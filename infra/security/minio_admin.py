"""The few calls of MinIO's admin API that make users and policies.

MinIO takes secrets only encrypted under the key of who sends them (the form of `madmin.EncryptData`:
Argon2id, AES-256-GCM in one fragment of sio-go). `mc` would do the same; this needs no program beside ours.
"""

import json
import secrets
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

PATH = "/minio/admin/v3"
TIMEOUT_SECONDS = 20.0
ARGON2ID_AES_GCM = b"\x00"
LAST_FRAGMENT = b"\x80"
MOST_BYTES = 1 << 14
"""Of one fragment; what is sent here is far smaller."""


class MinioRefused(Exception):
    """MinIO did not do what it was asked.

    Operator action: the keys given must be the root user's; the message has MinIO's own reason.
    """

    def __init__(self, doing: str, status: int, reason: str) -> None:
        self.doing, self.status, self.reason = doing, status, reason
        super().__init__(f"MinIO refused while {doing}: {status} {reason}")


class MinioUnreachable(Exception):
    """MinIO does not answer.

    Operator action: start it, or correct FLEETLAKE_LAKE__S3__ENDPOINT_URL.
    """

    def __init__(self, endpoint: str, doing: str, reason: str) -> None:
        self.endpoint, self.doing, self.reason = endpoint, doing, reason
        super().__init__(f"MinIO at {endpoint} does not answer ({doing}): {reason}")


@dataclass(frozen=True, slots=True)
class MinioAdmin:
    """As the root user of one MinIO. For https the system's authorities count, or those of SSL_CERT_FILE."""

    endpoint: str
    access_key: str
    secret_key: str

    def set_policy(self, name: str, policy: dict[str, Any]) -> None:
        """Makes the policy, or replaces it."""
        body = json.dumps(policy).encode()
        self._call("PUT", "add-canned-policy", {"name": name}, body, f"writing policy {name}")

    def set_user(self, name: str, secret: str) -> None:
        """Makes the user, or gives it this secret."""
        user = json.dumps({"secretKey": secret, "status": "enabled"}).encode()
        body = encrypted(user, self.secret_key.encode())
        self._call("PUT", "add-user", {"accessKey": name}, body, f"making user {name}")

    def attach(self, policy: str, user: str) -> None:
        """The user has this policy from now on, and no other."""
        asked = {"policyName": policy, "userOrGroup": user, "isGroup": "false"}
        self._call("PUT", "set-user-or-group-policy", asked, b"", f"giving {user} policy {policy}")

    def _call(self, method: str, action: str, query: dict[str, str], body: bytes, doing: str) -> None:
        url = f"{self.endpoint.rstrip('/')}{PATH}/{action}?{urlencode(query, quote_via=quote)}"
        request = AWSRequest(method, url, data=body)
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
        try:
            with httpx.Client(
                timeout=TIMEOUT_SECONDS, verify=ssl.create_default_context(), trust_env=False
            ) as client:
                answer = client.request(method, url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise MinioUnreachable(self.endpoint, doing, str(error)) from error
        if answer.status_code != httpx.codes.OK:
            raise MinioRefused(doing, answer.status_code, answer.text.strip()[:500])


def encrypted(plain: bytes, password: bytes) -> bytes:
    """As MinIO's server decrypts it: salt, algorithm, nonce, then one sealed fragment."""
    if len(plain) > MOST_BYTES:
        problem = f"{len(plain)} bytes do not fit in one fragment"
        raise ValueError(problem)
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(8)
    key = Argon2id(salt=salt, length=32, iterations=1, lanes=4, memory_cost=64 * 1024).derive(password)
    cipher = AESGCM(key)
    bound = cipher.encrypt(nonce + (0).to_bytes(4, "little"), b"", b"")
    sealed = cipher.encrypt(nonce + (1).to_bytes(4, "little"), plain, LAST_FRAGMENT + bound)
    return salt + ARGON2ID_AES_GCM + nonce + sealed
