"""Credentials in ConfigMaps: what is found, and what is not. True ones are put together when the test runs, so that no file holds any."""

import random
import string

import pytest

from trimtab.config.suspects import entropy, suspect_under, suspects
from trimtab.model.content import Content, Severity
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.validation.checks import validate

NAME = ConfigName(ConfigKind.CONFIG_MAP, "app")
CHANCE = random.Random(7)
LETTERS, UPPER, LOWER, DIGITS, HEX = string.ascii_letters, string.ascii_uppercase, string.ascii_lowercase, string.digits, "0123456789abcdef"


def some(count: int, letters: str = LETTERS + DIGITS) -> str:
    """Random characters."""
    return "".join(CHANCE.choice(letters) for _ in range(count))


def joined(*parts: str) -> str:
    """A credential out of its parts, none of which is one."""
    return "".join(parts)


def jwt() -> str:
    return ".".join((joined("ey", "J", some(20)), joined("ey", "J", some(60)), some(43)))


TRUE = {
    "an AWS access key id": joined("AK", "IA", some(16, UPPER + "234567")),
    "a temporary AWS access key id": joined("AS", "IA", some(16, UPPER + "234567")),
    "a secret AWS key": joined("aws_secret_access_", "key = ", some(40)),
    "a GitHub token": joined("gh", "p_", some(36)),
    "a GitHub App's token": joined("gh", "s_", some(36)),
    "a fine-grained GitHub token": joined("github_", "pat_", some(22), "_", some(59)),
    "a GitLab token": joined("gl", "pat-", some(20)),
    "a GitLab runner's token": joined("gl", "rt-", some(20)),
    "a Slack token": joined("xo", "xb-", some(12, DIGITS), "-", some(12, DIGITS), "-", some(24)),
    "a Slack webhook": joined("https://hooks.slack", ".com/services/T", some(9, UPPER), "/B", some(9, UPPER), "/", some(24)),
    "a Discord webhook": joined("https://discord", ".com/api/webhooks/", some(18, DIGITS), "/", some(68)),
    "a Stripe key": joined("sk_", "live_", some(24)),
    "a restricted Stripe key": joined("rk_", "live_", some(24)),
    "a Google API key": joined("AI", "za", some(35)),
    "a Google client's secret": joined("GOC", "SPX-", some(28)),
    "an Azure storage account": joined("DefaultEndpointsProtocol=https;Account", "Key=", some(86), "=="),
    "an npm token": joined("npm", "_", some(36)),
    "a PyPI token": joined("pypi", "-Ag", some(60)),
    "a SendGrid key": joined("S", "G.", some(22), ".", some(43)),
    "an OpenAI key": joined("s", "k-proj-", some(30), "1A", some(30)),
    "a Hugging Face token": joined("h", "f_", some(34, LETTERS)),
    "a DigitalOcean token": joined("dop", "_v1_", some(64, HEX)),
    "a Vault token": joined("hv", "s.", some(40)),
    "a Telegram bot": joined(some(9, DIGITS), ":A", "A", some(33)),
    "an age key": joined("AGE-SECRET", "-KEY-1", some(58, UPPER + DIGITS)),
    "a JSON Web Token": jwt(),
    "an RSA key": joined("-----BEGIN RSA PRIV", "ATE KEY-----\n", some(64), "\n-----END RSA PRIV", "ATE KEY-----\n"),
    "a PKCS 8 key": joined("-----BEGIN PRIV", "ATE KEY-----\n", some(64), "\n"),
    "an OpenSSH key": joined("-----BEGIN OPENSSH PRIV", "ATE KEY-----\n", some(64), "\n"),
    "a connection string": joined("postgres://app:", some(12), "9@db.prod.svc:5432/app?sslmode=require"),
    "a connection string without a user": joined("redis://:", some(12), "@cache:6379/0"),
    "a quoted connection string": joined('url: "amqp://worker:', some(9), "!@mq:5672/%2f\""),
    "a basic Authorization header": joined("Authorization: Bas", "ic ", some(24)),
    "a bearer token in JSON": joined('{"authorization": "Bear', "er ", some(40), '"}'),
    "a password in YAML": joined("db:\n  pass", "word: ", some(8), "7"),
    "a quoted password in YAML": joined("db:\n  pass", 'word: "', some(8), '#7"'),
    "a password in properties": joined("spring.datasource.pass", "word=", some(8), "7"),
    "a password in an .env file": joined("export DB_PASS", "WORD='", some(8), "7'"),
    "a password in JSON": joined('{"db": {"pass', 'word": "', some(8), '7"}}'),
    "a password in an ADO string": joined("Server=db;User Id=app;Pass", "word=", some(8), "7;"),
    "a client's secret": joined("client", "_secret: ", some(30), "1aB2"),
    "an API key": joined('"api', 'Key": "', some(28), '1aB2"'),
    "a token of hex digits": joined("auth", "_token = ", "3f", some(30, HEX), "a9"),
}  # fmt: skip

FALSE = [
    "reads: secret/app-token=3930f0692c2295eb", '"password": "\u5bc6\u78bc\u4e0d\u80fd\u70ba\u7a7a"', "see `--change-password=false`;",
    "arn: arn:aws:secretsmanager:eu-west-1:1:secret:Database1-d4e5f6", "{username: user, password: pass}}",
    "push: http://USER:TOKEN@127.0.0.1:3000/ORG/REPO.git", "key=\"-----BEGIN PRIV" + "ATE KEY-----\\nXXXX\\nXXXX\"",
    "image: ghcr.io/acme/app@sha256:9b2a1f5e4c3d2b1a0f9e8d7c6b5a49382716f5e4d3c2b1a0f9e8d7c6b5a49382",
    "commit: 4f1c2b3a4d5e6f708192a3b4c5d6e7f809192a3b",
    "id: 123e4567-e89b-12d3-a456-426614174000",
    "checksum/config: 5f4mc9h82b5f4mc9h82b5f4mc9h82b5f4mc9h82b",
    "password: ${DB_PASSWORD}", "password: $(DB_PASSWORD)", "password: {{ .Values.db.password }}", "password: <from the vault>",
    "password: changeme", "password: CHANGE_ME_123", "password: ********", "password: your-password-1", "password: required",
    "password: string", "password: ''", 'password: ""', "password: null", "password: true",
    "passwordFile: /run/secrets/db1", "password_file = /etc/app/pw1", "password: /run/secrets/db1", "password: file:/run/secrets/db1",
    "password: vault:secret/data/db#pw1", "password: ref+vault://secret/db1", "password_min_length: 12", "password.encoder=bcrypt",
    "password_policy: length10", "forgot-password-url: https://acme.example/reset1",
    "secretName: app-tls-2024-11-25-abc123", "secretKeyRef:\n  name: db\n  key: password", "existingSecret: app-db-credentials-v2",
    "imagePullSecrets:\n- name: registry-1", "secret: app-tls-v2-20241125", "token: csrf", "token: my-service-account-token-x7k2p",
    "tokenUrl: https://id.acme.example/oauth2/v1/token", "token_endpoint = https://id.acme.example/oauth/token1",
    "token_ttl: 3600", "max_tokens: 4096", "tokens: 4096000000000000000000", "tokenizer: cl100k_base_v2_2024_11_25",
    "api_key: ${API_KEY}", "apiKeyHeader: X-Api-Key-Version-2", "api_key_id: 12345678901234567890",
    "public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
    "access_key: null", "keys: [a1, b2, c3]", "primary_key: id", "foreign_key: user_id", "partition_key: tenant_id_2024_region_eu1",
    "credentials: include", "credentials: same-origin", "allow_credentials: true",
    "url: https://acme.example:8443/path@2x", "url: http://user@acme.example/", "jdbc:postgresql://db:5432/app", "url: postgres://app@db:5432/app",
    "url: postgres://app:${PASS}@db/app", "url: redis://:$(REDIS_PASSWORD)@cache:6379", "url: postgres://user:password@localhost/test",
    "url: mysql://root:<password>@db/app", "git@github.com:acme/app.git", "http://proxy:3128,http://proxy:3129",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQG\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "aws_access_key_id: " + "AKIA" + "IOSFODNN7" + "EXAMPLE", "role: arn:aws:iam::123456789012:role/app",
    "stripe: pk_live_" + "a1" * 12, "stripe: pk_test_" + "a1" * 12,
    "Authorization: Bearer ${TOKEN}", "Authorization: Bearer {{ .Token }}", "authorization: enabled",
    "proxy_set_header Authorization $http_authorization;",
    'if password == "letmein1": pass', 'token := r.Header.Get("X-Token-1")', 'local secret = os.getenv("APP_SECRET_1")',
    "password = os.environ['DB_PASSWORD1']", "secret: ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=]",
    "password: $2y$10$N9qo8uLOickgx2ZMRZoMye",
    "key: value", "sk-learn-0.24.1-pipeline-with-many-words-and-parts-of-it", "glob: gl-patterns-are-not-tokens-at-all-in-here",
    "theme: eyJ", "data: aGVsbG8gd29ybGQsIHRoaXMgaXMganVzdCBiYXNlNjQgdGV4dA==", "hvac.room1234567890123456789012345",
    "pwd: /srv/app1", "pwd=`pwd`/build1", "secret: projects/12/secrets/db/versions/3", "signing_key: alias/app-signing-key-2024",
    "password: [a, b]", "passwords:\n- a1b2c3d4", "password: &pw db-password", "password: *pw12345", "password: |", "password: >-",
    "user_tokens: [1, 2]", "session_secret: example-secret-0123456789abcdef", "secret-key: xxxxxxxxxxxxxxxx1234",
]  # fmt: skip


@pytest.mark.parametrize("what", TRUE)
def test_a_credential_is_found(what: str) -> None:
    assert list(suspects(f"a: 1\n{TRUE[what]}\nb: 2\n")), what


@pytest.mark.parametrize("text", FALSE)
def test_what_is_no_credential_is_left_alone(text: str) -> None:
    assert [suspect.what for suspect in suspects(f"a: 1\n{text}\nb: 2\n")] == []


def test_a_finding_names_object_key_kind_and_line_and_never_the_value() -> None:
    token = TRUE["a GitHub token"]
    content = Content(
        NAME,
        {"config.yaml": f"a: 1\ngithub: {token}\n".encode()},
        file="app.yaml",
        key_lines={"config.yaml": 7},
        value_lines={"config.yaml": range(8, 99)},
    )
    (finding,) = validate([content], [])
    assert (finding.check, finding.severity, finding.key, finding.line) == ("content/secret", Severity.WARNING, "config.yaml", 9)
    assert "a GitHub token" in finding.problem and token not in str(finding) and "Secret" in finding.fix


def test_a_value_under_a_name_that_says_so_is_found_as_a_whole() -> None:
    for name, value in (("DB_PASSWORD", some(8) + "7"), ("api-key", some(28) + "1aB"), ("url", TRUE["a connection string"])):
        assert suspect_under(name, value) is not None, name
    for name, value in (("DB_PASSWORD", "${PW}"), ("DB_PASSWORD_FILE", "/run/pw1"), ("api-key", "short1"), ("log_level", "debug1!")):
        assert suspect_under(name, value) is None, name


def test_what_was_there_before_is_not_told_again_with_every_change() -> None:
    before = Content(NAME, {"a": TRUE["a GitHub token"].encode(), "b": b"1"})
    assert validate([Content(NAME, {**before.data, "b": b"2"})], [before]) == ()


def test_a_secret_may_hold_secrets() -> None:
    assert validate([Content(ConfigName(ConfigKind.SECRET, "app"), {"a": TRUE["a GitHub token"].encode()})], []) == ()


def test_random_text_has_more_entropy_than_words() -> None:
    assert entropy(some(64)) > 4.2 > entropy("configuration") > entropy("aaaaaaab")


@pytest.mark.parametrize(
    "text",
    ["a" * 400_000, "eyJ-" * 100_000, "password" * 50_000, "a-" * 200_000, "a://" * 100_000, "token=" * 60_000, "xoxb-1-" * 50_000,
    " " * 400_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_long_texts_that_nearly_look_like_credentials_are_read_to_the_end(text: str) -> None:
    # With anything worse than linear time this would go on for hours.
    assert list(suspects(text)) == []
