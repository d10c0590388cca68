# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import http.client
import json
import socket
import ssl
import time

import boto3
import pytest
from ansible_collections.popcon.deploy.plugins.module_utils._common import https
from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._registry import ecr
from ansible_collections.popcon.deploy.plugins.module_utils._registry.docker_config import Credentials
from ansible_collections.popcon.deploy.tests.unit.plugins.module_utils.ecr_stubs import (
    ACCOUNT,
    HOUR,
    OTHER,
    OWN,
    PUBLIC,
    REGION,
    aws_token,
    basic,
    make_certificate,
    reach_registries,
)
from botocore import exceptions
from botocore.stub import Stubber
from moto import mock_aws

PRIVATE = ecr.named_registry(OWN)


def no_client(service, region):
    raise AssertionError(f"{service} in {region} must not be asked")


def stubbed(service, method, response=None, *, code=None, raises=None):
    """A client factory whose one client gives one recorded answer."""
    client = boto3.client(service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    if code:
        stub.add_client_error(method, code, "CANARY", 400)
    elif response is not None:
        stub.add_response(method, response)
    stub.activate()
    if raises:
        setattr(client, method, lambda: (_dummy for _dummy in ()).throw(raises))

    def factory(wanted, region):
        factory.asked.append((wanted, region))
        return client

    factory.asked = []
    return factory


def answer(token="AWS:secret", expires=None, public=False):
    expires = expires or datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=12)
    data = {"authorizationToken": base64.b64encode(token.encode()).decode(), "expiresAt": expires}
    return {"authorizationData": data if public else [data]}


# Names


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("ap-northeast-2", "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com"),
        ("us-gov-west-1", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_name_of_an_account_in_a_partition(region, name):
    assert ecr.private_registry(ACCOUNT, region) == ecr.Registry(name, "ecr", region)
    assert ecr.named_registry(name) == ecr.Registry(name, "ecr", region)


@pytest.mark.filterwarnings("ignore:Fetching the endpoint_resolver:DeprecationWarning")
def test_suffixes_are_those_of_botocore():
    session = boto3.session.Session()
    for partition in session.get_available_partitions():
        suffix = session._session.get_component("endpoint_resolver").get_partition_dns_suffix(partition)
        for region in session.get_available_regions("ec2", partition_name=partition):
            assert ecr.private_registry(ACCOUNT, region).name == f"{ACCOUNT}.dkr.ecr.{region}.{suffix}"


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
    ],
)
def test_other_names_of_a_private_registry(name, region):
    assert ecr.named_registry(name) == ecr.Registry(name, "ecr", region)


@pytest.mark.parametrize("name", ecr.PUBLIC_REGISTRIES)
def test_public_registries_have_their_tokens_from_us_east_1(name):
    assert ecr.named_registry(name) == ecr.Registry(name, "ecr-public", "us-east-1")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "docker.io",
        f"https://{OWN}",
        f"{OWN}/app",
        f"{OWN}:443",
        f"{OWN}.evil.example",
        f"{OWN}\n",
        "12345.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
        "public.ecr.aws/nginx",
    ],
)
def test_no_token_goes_to_a_name_that_is_not_of_ecr(name):
    with pytest.raises(DeployError, match="no registry of ECR"):
        ecr.find_registries([name], REGION, no_client)


@pytest.mark.parametrize("account", ["1", "1234567890123", "12345678901"])
def test_an_account_id_has_12_digits(account):
    with pytest.raises(DeployError, match=r"12 digits.*quote"):
        ecr.find_registries([account], REGION, no_client)


def test_registries_of_every_kind_and_each_once():
    found = ecr.find_registries([ACCOUNT, OTHER, PUBLIC, OWN], REGION, no_client)
    assert [(r.name, r.region) for r in found] == [(OWN, REGION), (OTHER, "eu-west-1"), (PUBLIC, "us-east-1")]


def test_full_names_need_no_region():
    assert ecr.find_registries([OTHER], None, no_client)[0].region == "eu-west-1"


@pytest.mark.parametrize("wanted", [[], [ACCOUNT]])
def test_without_a_region(wanted):
    with pytest.raises(DeployError, match="No region"):
        ecr.find_registries(wanted, None, no_client)


def test_the_own_account_is_asked_of_sts():
    factory = stubbed("sts", "get_caller_identity", {"Account": ACCOUNT})
    assert ecr.find_registries([], REGION, factory) == [PRIVATE]
    assert factory.asked == [("sts", REGION)]


# Tokens


def test_a_token_that_tells_its_end():
    secret = aws_token("t")
    told = datetime.datetime.fromtimestamp(time.time() + 12 * HOUR, datetime.timezone.utc)
    token = ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", answer(f"AWS:{secret}", told)))
    assert token.credentials == Credentials("AWS", secret)
    assert token.expires == ecr.stated_end(token.credentials) == pytest.approx(time.time() + 12 * HOUR, abs=2)
    assert ecr.note_of(token) is None
    assert ecr.known_end(token.credentials, None) == token.expires


def test_a_public_token():
    factory = stubbed("ecr-public", "get_authorization_token", answer(public=True))
    assert ecr.mint("ecr-public", "us-east-1", factory).credentials.secret == "secret"
    assert factory.asked == [("ecr-public", "us-east-1")]


@pytest.mark.parametrize("hours", [-1000, -1, 13, 10_000])
@pytest.mark.parametrize("inside", [True, False])
def test_an_end_that_can_not_be_true_is_not_believed(hours, inside):
    """Either field may lie; the other one, or the documented 12 hours, holds."""
    secret = aws_token("t", hours * HOUR if inside else 3 * HOUR)
    told = time.time() + (3 if inside else hours) * HOUR
    told = datetime.datetime.fromtimestamp(told, datetime.timezone.utc)
    token = ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", answer(f"AWS:{secret}", told)))
    assert token.expires == pytest.approx(time.time() + 3 * HOUR, abs=2)


def test_the_earlier_of_two_ends_counts():
    told = datetime.datetime.fromtimestamp(time.time() + HOUR, datetime.timezone.utc)
    factory = stubbed("ecr", "get_authorization_token", answer(f"AWS:{aws_token('t')}", told))
    token = ecr.mint("ecr", REGION, factory)
    assert token.expires == pytest.approx(time.time() + HOUR, abs=2)
    assert ecr.known_end(token.credentials, ecr.note_of(token)) == token.expires


@mock_aws
def test_moto_says_2015_and_12_hours_are_taken():
    def factory(service, region):
        return boto3.client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")

    raw = factory("ecr", REGION).get_authorization_token()["authorizationData"][0]["expiresAt"]
    assert raw.year == 2015, "moto has changed: this test stands for services that state a wrong end"
    assert ecr.find_registries([], REGION, factory) == [PRIVATE]
    token = ecr.mint("ecr", REGION, factory)
    assert token.expires == pytest.approx(time.time() + 12 * HOUR, abs=2)
    assert ecr.known_end(token.credentials, ecr.note_of(token)) == token.expires


@pytest.mark.parametrize(
    "secret",
    [
        "opaque",
        "",
        "%%%",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"\xff").decode(),
        base64.b64encode(b"[" * 100_000).decode(),
        *(base64.b64encode(json.dumps({"expiration": end}).encode()).decode() for end in ("1", None, [], 0, -5, 1e15)),
        base64.b64encode(b'{"expiration": NaN}').decode(),
        base64.b64encode(b'{"expiration": Infinity}').decode(),
    ],
)
def test_a_token_that_does_not_tell(secret):
    assert ecr.stated_end(Credentials("AWS", secret)) is None


def test_a_note_belongs_to_one_token():
    token = ecr.Token(Credentials("AWS", "opaque"), float(int(time.time())) + HOUR)
    note = ecr.note_of(token)
    assert ecr.known_end(token.credentials, note) == token.expires
    assert ecr.known_end(Credentials("AWS", "another"), note) is None
    assert "opaque" not in str(note)


@pytest.mark.parametrize("end", [None, 5, "tomorrow", "2026-13-01T00:00:00Z"])
def test_a_note_that_makes_no_sense(end):
    note = ecr.note_of(ecr.Token(Credentials("AWS", "opaque"), 1.0))
    assert ecr.known_end(Credentials("AWS", "opaque"), {**note, "expires_at": end}) is None
    assert ecr.known_end(Credentials("AWS", "opaque"), end) is None


def test_share_left():
    assert ecr.share_left(time.time() + 6 * HOUR) == pytest.approx(0.5, abs=0.001)
    assert ecr.share_left(time.time() - 1) < 0


def test_times_are_iso_8601_in_utc():
    assert ecr.iso(1795402800.9) == "2026-11-23T03:00:00Z"


@pytest.mark.parametrize("token", ["no colon", "AWS:", ":secret"])
def test_an_answer_that_holds_no_token(token):
    with pytest.raises(DeployError, match="holds no token") as caught:
        ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", answer(token)))
    assert "secret" not in str(caught.value)


def test_an_empty_answer():
    with pytest.raises(DeployError, match="holds no token"):
        ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", {"authorizationData": []}))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "needs ecr:GetAuthorizationToken on resource"),
        ("ExpiredTokenException", "credentials have expired"),
        ("UnrecognizedClientException", "not known to AWS"),
        ("InvalidSignatureException", "clock"),
        ("ThrottlingException", "throttles"),
        ("ServerException", "ServerException"),
    ],
)
def test_what_aws_refuses_is_said_in_words(code, words):
    with pytest.raises(DeployError, match=words) as caught:
        ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", code=code))
    assert REGION in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_public_tokens_need_two_actions():
    with pytest.raises(
        DeployError, match=r"ecr-public:GetAuthorizationToken on resource .* and sts:GetServiceBearerToken"
    ):
        ecr.mint(
            "ecr-public", "us-east-1", stubbed("ecr-public", "get_authorization_token", code="AccessDeniedException")
        )


@pytest.mark.parametrize(
    ("exception", "words"),
    [
        (exceptions.NoCredentialsError(), "no AWS credentials"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "does not answer"),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), "does not answer"),
        (exceptions.SSLError(endpoint_url="https://x", error="CANARY"), "TLS"),
    ],
)
def test_aws_that_can_not_be_asked(exception, words):
    with pytest.raises(DeployError, match=words) as caught:
        ecr.mint("ecr", REGION, stubbed("ecr", "get_authorization_token", raises=exception))
    assert "CANARY" not in str(caught.value)


def test_sts_that_refuses():
    with pytest.raises(
        DeployError, match="Cannot ask for the own account in ap-northeast-2: the credentials have expired"
    ):
        ecr.find_registries([], REGION, stubbed("sts", "get_caller_identity", code="ExpiredToken"))


# The registry itself


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(certificate, monkeypatch):
    monkeypatch.setattr(https, "PAUSES_SECONDS", (0, 0))
    with reach_registries(certificate, monkeypatch) as stub:
        stub.secrets = {"good"}
        yield stub


GOOD, BAD = Credentials("AWS", "good"), Credentials("AWS", "CANARY")


def test_it_is_asked_over_tls_through_the_proxy(registry):
    assert ecr.accepts(PRIVATE, GOOD)
    assert not ecr.accepts(PRIVATE, BAD)
    assert registry.asked == [(OWN, "/v2/")] * 2
    assert registry.proxied == [f"{OWN}:443"] * 2


def test_a_public_registry_is_asked_where_it_exchanges_tokens(registry):
    assert ecr.accepts(ecr.named_registry(PUBLIC), GOOD)
    assert registry.asked == [(PUBLIC, f"/token/?service={PUBLIC}&scope=aws")]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_every_way_in_which_ecr_refuses(registry, status):
    registry.status = status
    assert not ecr.accepts(PRIVATE, GOOD)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_that_passes(registry, status):
    registry.statuses = [status, status]
    assert ecr.accepts(PRIVATE, GOOD)
    assert len(registry.asked) == 3
    assert registry.proxied == [f"{OWN}:443"] * 3


@pytest.mark.parametrize(("status", "times"), [(503, 3), (404, 1), (204, 1)])
def test_an_answer_that_is_neither_yes_nor_no(registry, status, times):
    registry.status = status
    with pytest.raises(DeployError, match=f"Cannot ask {OWN} .*HTTP {status}"):
        ecr.accepts(PRIVATE, BAD)
    assert len(registry.asked) == times


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_gets_the_token(registry, status):
    registry.status, registry.headers = status, {"Location": f"https://{OTHER}/"}
    with pytest.raises(DeployError, match=f"HTTP {status}"):
        ecr.accepts(PRIVATE, GOOD)
    assert registry.asked == [(OWN, "/v2/")]


def test_a_certificate_nobody_trusts(registry, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate(tmp_path, ["elsewhere.example"])))
    with pytest.raises(DeployError, match=r"TLS certificate is not accepted.*ca-certificates"):
        ecr.accepts(PRIVATE, BAD)
    assert registry.asked == []


def test_a_certificate_of_another_name(registry):
    with pytest.raises(DeployError, match="TLS certificate is not accepted"):
        ecr.accepts(ecr.private_registry(ACCOUNT, "eu-north-1"), GOOD)


def test_an_expired_certificate(monkeypatch, tmp_path):
    expired = make_certificate(tmp_path, [OWN], ends_in_days=-1)
    with (
        reach_registries(expired, monkeypatch) as stub,
        pytest.raises(DeployError, match=r"expired.*clock"),
    ):
        ecr.accepts(PRIVATE, GOOD)
    assert stub.asked == []


def test_a_proxy_that_refuses(registry):
    registry.proxy_refuses = True
    with pytest.raises(DeployError, match="the proxy refused") as caught:
        ecr.accepts(PRIVATE, BAD)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("exception", "words"),
    [
        (socket.gaierror(-2, "CANARY"), "cannot be resolved"),
        (TimeoutError("CANARY"), "no answer within"),
        (ConnectionRefusedError("CANARY"), "refused"),
        (ConnectionResetError("CANARY"), "ConnectionResetError"),
        (http.client.BadStatusLine("CANARY"), "BadStatusLine"),
        (ssl.SSLError("CANARY"), "really HTTPS"),
    ],
)
def test_a_registry_that_can_not_be_reached(monkeypatch, exception, words):
    monkeypatch.setattr(https, "PAUSES_SECONDS", ())

    def fail(*_args, **_kwargs):
        raise exception

    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.setattr(socket, "create_connection", fail)
    monkeypatch.setattr(http.client.HTTPSConnection, "connect", fail)
    with pytest.raises(DeployError, match=f"Cannot ask {OWN} .*{words}") as caught:
        ecr.accepts(PRIVATE, BAD)
    assert "CANARY" not in str(caught.value)
    assert basic("CANARY") not in str(caught.value)
