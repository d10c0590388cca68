"""The account's HTTP front: who may do what, in AWS's own words, and what the lab answers itself."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from ansible_collections.popcon.deploy.tests.unit.lab.local_account import (
    ACCOUNT,
    ADMIN,
    HOST_ADDRESS,
    REGION,
    REGISTRY,
    Account,
    Answer,
    allow,
)

ARN = f"arn:aws:ssm:{REGION}:{ACCOUNT}"
REPOSITORY = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/dev-app"
EMPTY = {"X-Amz-Content-SHA256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}


def error(answer: Answer) -> tuple[str, str]:
    """Code and message of a JSON error."""
    assert answer.status == 400
    return answer.json()["__type"], answer.json()["message"]


def minted(account: Account, *statements: dict[str, Any]) -> tuple[str, str, str]:
    """An instance with a role, and the role's credentials."""
    instance = account.instance(HOST_ADDRESS, *statements)
    credentials = account.keyring.for_instance(instance, instance.role)
    return credentials.access_key_id, credentials.key.secret, credentials.key.token


def test_a_good_signature_reaches_moto(account: Account) -> None:
    assert account.call(ADMIN, "ssm:PutParameter", {"Name": "/popcon/A", "Value": "x", "Type": "String"}).status == 200
    answer = account.call(ADMIN, "ssm:GetParameter", {"Name": "/popcon/A"})
    assert answer.json()["Parameter"]["Value"] == "x"


def test_unsigned_requests_are_refused(account: Account) -> None:
    answer = account.request("POST", "/", {"X-Amz-Target": "AmazonSSM.GetParameter"}, b"{}")
    assert error(answer)[0] == "MissingAuthenticationTokenException"
    assert account.request("GET", "/bucket/key").status == 403
    assert account.request("GET", "/latest/meta-data/instance-id").status == 403
    assert account.request("POST", "/moto-api/reset").status == 403


def test_unknown_key(account: Account) -> None:
    code, message = error(account.call(("AKIAUNKNOWN", "x"), "ssm:GetParameter"))
    assert (code, message) == ("UnrecognizedClientException", "The security token included in the request is invalid.")
    answer = account.query("sts", {"Action": "GetCallerIdentity"}, ("AKIAUNKNOWN", "x"))
    assert answer.status == 403
    assert b"<Code>InvalidClientTokenId</Code>" in answer.body
    assert b"<Code>AuthFailure</Code>" in account.query("ec2", {"Action": "DescribeVpcs"}, ("AKIAUNKNOWN", "x")).body
    answer = account.signed(("AKIAUNKNOWN", "x"), "s3", "/bucket/key", method="GET", headers=EMPTY)
    assert (answer.status, b"<Code>InvalidAccessKeyId</Code>" in answer.body) == (403, True)


def test_bad_signature(account: Account) -> None:
    keys = account.user("u", allow("*"))
    assert account.call(keys, "ssm:DescribeParameters").status == 200
    wrong = (keys[0], "not the secret")
    assert error(account.call(wrong, "ssm:DescribeParameters"))[0] == "InvalidSignatureException"
    assert b"<Code>SignatureDoesNotMatch</Code>" in account.query("sts", {"Action": "GetCallerIdentity"}, wrong).body
    answer = account.signed(wrong, "s3", "/bucket/key", method="GET", headers=EMPTY)
    assert (answer.status, b"<Code>SignatureDoesNotMatch</Code>" in answer.body) == (403, True)


def test_what_was_signed_cannot_be_changed(account: Account) -> None:
    def other_action(headers: dict[str, str]) -> None:
        headers["X-Amz-Target"] = "AmazonSSM.DeleteParameter"

    answer = account.call(ADMIN, "ssm:GetParameter", {"Name": "/popcon/A"}, tamper=other_action)
    assert error(answer)[0] == "InvalidSignatureException"


def test_an_inactive_key_is_unknown(account: Account) -> None:
    keys = account.user("u", allow("*"))
    account.query("iam", {"Action": "UpdateAccessKey", "UserName": "u", "AccessKeyId": keys[0], "Status": "Inactive"})
    assert error(account.call(keys, "ssm:DescribeParameters"))[0] == "UnrecognizedClientException"


def test_role_credentials_and_their_end(account: Account) -> None:
    keys = minted(account, allow("ssm:DescribeParameters"))
    assert account.call(keys, "ssm:DescribeParameters").status == 200
    assert error(account.call(keys[:2], "ssm:DescribeParameters"))[0] == "UnrecognizedClientException"
    assert error(account.call((*keys[:2], "other"), "ssm:DescribeParameters"))[0] == "UnrecognizedClientException"
    account.keyring._roles[keys[0]].key.__dict__["expires"] = account.now() - 1
    code, message = error(account.call(keys, "ssm:DescribeParameters"))
    assert (code, message) == ("ExpiredTokenException", "The security token included in the request is expired")
    assert b"<Code>ExpiredToken</Code>" in account.query("sts", {"Action": "GetCallerIdentity"}, keys).body


def test_assumed_roles(account: Account) -> None:
    account.instance(HOST_ADDRESS, allow("ssm:DescribeParameters"))
    keys = account.user("u", allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/popcon-*"))
    form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "ci"}
    answer = account.query("sts", {**form, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/popcon-lab-host"}, keys)
    root = ElementTree.fromstring(answer.body)
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    role = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    assert account.call(role, "ssm:DescribeParameters").status == 200
    assert "assumed-role/popcon-lab-host/ci is not" in error(account.call(role, "ssm:GetParameter", {"Name": "/a"}))[1]
    account.later = 3700
    assert error(account.call(role, "ssm:DescribeParameters"))[0] == "ExpiredTokenException"
    account.later = 0
    answer = account.query("sts", {**form, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/other"}, keys)
    assert b"<Code>AccessDenied</Code>" in answer.body


def test_a_request_from_another_time(account: Account) -> None:
    account.later = 400
    assert error(account.call(ADMIN, "ssm:DescribeParameters"))[0] == "InvalidSignatureException"


def test_denied_in_awss_words(account: Account) -> None:
    keys = minted(account, allow("ssm:GetParameter*", f"{ARN}:parameter/popcon/*"))
    instance_id = account.backends.instances()[0].id
    assert account.call(keys, "ssm:GetParametersByPath", {"Path": "/popcon/"}).status == 200
    code, message = error(account.call(keys, "ssm:GetParametersByPath", {"Path": "/popcon"}))
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/popcon-lab-host/{instance_id} is not authorized to perform: "
        f"ssm:GetParametersByPath on resource: {ARN}:parameter/popcon "
        "because no identity-based policy allows the ssm:GetParametersByPath action"
    )
    answer = account.query("ec2", {"Action": "DescribeInstances", "Version": "2016-11-15"}, keys)
    assert answer.status == 403
    assert b"<Code>UnauthorizedOperation</Code>" in answer.body
    answer = account.signed(keys, "s3", "/popcon-lab-transfer/a", method="GET", headers=EMPTY)
    assert answer.status == 403
    assert b's3:GetObject on resource: "arn:aws:s3:::popcon-lab-transfer/a" because' in answer.body


def test_every_named_parameter_counts(account: Account) -> None:
    keys = account.user("u", allow("ssm:GetParameters", f"{ARN}:parameter/popcon/*"))
    assert account.call(keys, "ssm:GetParameters", {"Names": ["/popcon/A", "/popcon/B:3"]}).status == 200
    code, message = error(account.call(keys, "ssm:GetParameters", {"Names": ["/popcon/A", "/other"]}))
    assert (code, f"{ARN}:parameter/other because" in message) == ("AccessDeniedException", True)


def test_explicit_deny(account: Account) -> None:
    deny = {"Effect": "Deny", "Action": "ssm:*", "Resource": f"{ARN}:parameter/popcon/SECRET"}
    keys = account.user("u", allow("ssm:*"), deny)
    assert error(account.call(keys, "ssm:GetParameter", {"Name": "/other"}))[0] == "ParameterNotFound"
    message = error(account.call(keys, "ssm:GetParameter", {"Name": "/popcon/SECRET"}))[1]
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_everybody_may_ask_who_they_are(account: Account) -> None:
    form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    body = account.query("sts", form, account.user("u")).body.decode()
    assert f"<Arn>arn:aws:iam::{ACCOUNT}:user/u</Arn>" in body
    body = account.query("sts", form, minted(account)).body.decode()
    assert f"<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/popcon-lab-host/i-" in body
    assert f"<Account>{ACCOUNT}</Account>" in body


def test_a_key_by_its_arn(account: Account) -> None:
    arn = account.call(ADMIN, "kms:CreateKey").json()["KeyMetadata"]["Arn"]
    state = []
    for action in ("ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey"):
        assert account.call(ADMIN, f"kms:{action}", {"KeyId": arn}).status == 200
        state.append(account.call(ADMIN, "kms:DescribeKey", {"KeyId": arn}).json()["KeyMetadata"]["KeyState"])
    assert state == ["PendingDeletion", "Disabled", "Enabled"]


def test_the_image_that_debian_publishes(account: Account) -> None:
    account.backends.publish_image()
    answer = account.call(ADMIN, "ssm:GetParameter", {"Name": "/aws/service/debian/release/13/latest/amd64"})
    assert answer.json()["Parameter"]["Value"].startswith("ami-")


def presign(account: Account, keys: tuple[str, ...], method: str, path: str) -> str:
    """A presigned URL's path and query."""
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, f"http://account:4566{quote(path)}", headers={"Host": "account:4566"})
    S3SigV4QueryAuth(Credentials(*keys), "s3", REGION, expires=60).add_auth(request)
    return request.url.removeprefix("http://account:4566")


def test_presigned_urls(account: Account) -> None:
    location = (
        f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    )
    headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    created = account.signed(ADMIN, "s3", "/transfer", method="PUT", headers=headers, body=location.encode())
    assert created.status == 200, created.body
    keys = account.user("u", allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::transfer/i-1/*"))
    path = "/transfer/i-1//tmp/a b+é"
    assert account.request("PUT", presign(account, keys, "PUT", path), body=b"hello").status == 200
    url = presign(account, keys, "GET", path)
    assert account.request("GET", url).body == b"hello"
    assert b"SignatureDoesNotMatch" in account.request("PUT", url, body=b"x").body
    assert b"SignatureDoesNotMatch" in account.request("GET", url.replace("a%20b", "a%20c")).body
    assert b"SignatureDoesNotMatch" in account.request("GET", url.replace("Expires=60", "Expires=61")).body
    account.later = 61
    expired = account.request("GET", url)
    assert (expired.status, b"<Message>Request has expired</Message>" in expired.body) == (403, True)
    account.later = 0
    elsewhere = account.request("GET", presign(account, keys, "GET", "/transfer/i-2/x"))
    assert (elsewhere.status, b"<Code>AccessDenied</Code>" in elsewhere.body) == (403, True)
    old = account.request("GET", "/transfer/x?AWSAccessKeyId=AKIAADMIN&Signature=x&Expires=9999999999")
    assert (old.status, b"Please use AWS4-HMAC-SHA256" in old.body) == (400, True)


def test_a_bucket_that_wants_tls(account: Account) -> None:
    statement = {
        "Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],
        "Resource": ["arn:aws:s3:::transfer", "arn:aws:s3:::transfer/*"],
        "Condition": {"Bool": {"aws:SecureTransport": ["false"]}},
    }  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    where = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    unsigned = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    for path, body in (("/transfer", where.encode()), ("/transfer?policy", document)):
        assert account.signed(ADMIN, "s3", path, method="PUT", headers=unsigned, body=body).status in (200, 204)
    keys = account.user("u", allow("s3:*", "arn:aws:s3:::transfer/*"))
    tls = {"X-Forwarded-Proto": "https"}
    url = presign(account, keys, "PUT", "/transfer/i-1/x")
    assert account.request("PUT", url, tls, b"hello").status == 200
    refused = account.request("PUT", url, body=b"other")
    assert (refused.status, b"with an explicit deny in a resource-based policy" in refused.body) == (403, True)
    # An administrator is no exception.
    for headers, status in ((EMPTY, 403), ({**EMPTY, **tls}, 200)):
        assert account.signed(ADMIN, "s3", "/transfer/i-1/x", method="GET", headers=headers).status == status


def test_a_body_other_than_signed(account: Account) -> None:
    headers: dict[str, str] = {}
    account.signed(ADMIN, "s3", "/transfer/x", method="PUT", body=b"this", tamper=headers.update)
    assert b"XAmzContentSHA256Mismatch" in account.request("PUT", "/transfer/x", headers, b"that").body


def basic(token: str) -> dict[str, str]:
    return {"Authorization": f"Basic {token}"}


def test_ecr_token_opens_the_registry_until_it_expires(account: Account) -> None:
    keys = account.user("u", allow("ecr:GetAuthorizationToken"), allow("ecr:BatchGetImage", REPOSITORY))
    (data,) = account.call(keys, "ecr:GetAuthorizationToken").json()["authorizationData"]
    assert data["proxyEndpoint"] == f"https://{REGISTRY}"
    assert 43_100 < data["expiresAt"] - account.now() <= 43_200
    token = data["authorizationToken"]
    assert base64.b64decode(token).startswith(b"AWS:")
    assert account.request("GET", "/_lab/registry-auth", basic(token)).status == 200
    refused = account.request("GET", "/_lab/registry-auth", basic("QVdTOng="))
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == f'Basic realm="https://{REGISTRY}/",service="ecr.amazonaws.com"'
    assert account.request("GET", "/_lab/registry-auth").status == 401

    def registry(method: str, uri: str) -> Answer:
        original = {"X-Original-Method": method, "X-Original-URI": uri}
        return account.request("GET", "/_lab/registry-auth", {**basic(token), **original})

    assert registry("GET", "/v2/").status == 200
    assert registry("HEAD", "/v2/dev-app/manifests/latest").status == 200
    assert registry("GET", "/v2/other/manifests/latest").status == 403
    denied = registry("PUT", "/v2/dev-app/manifests/latest")
    assert (denied.status, "ecr:PutImage" in denied.headers["X-Lab-Reason"]) == (403, True)
    assert "ecr:GetDownloadUrlForLayer" in registry("GET", "/v2/dev-app/blobs/sha256:0").headers["X-Lab-Reason"]
    account.later = 43_201
    expired = account.request("GET", "/_lab/registry-auth", basic(token))
    assert (expired.status, expired.body.startswith(b"Your authorization token has expired.")) == (403, True)


def test_pushes_go_where_the_account_has_a_repository(account: Account) -> None:
    def push(uri: str) -> int:
        return account.request("GET", "/_lab/push-auth", {"X-Original-Method": "PUT", "X-Original-URI": uri}).status

    assert [push("/v2/"), push("/v2/library/redis/manifests/8"), push("/v2/dev-app/blobs/uploads/")] == [200, 200, 403]
    assert account.call(ADMIN, "ecr:CreateRepository", {"repositoryName": "dev-app"}).status == 200
    assert [push("/v2/dev-app/blobs/uploads/"), push("/v2/other/manifests/x")] == [200, 403]
    assert push("/v2/ghcr.io/team/api/blobs/uploads/") == 200, "the lab stands in for other registries"


def test_ecr_token_life_is_settable(account: Account) -> None:
    body = json.dumps({"ecr_token_life_seconds": 5}).encode()
    settings = account.request("PUT", "/_lab/settings", body=body).json()
    assert settings == {"ecr_token_life_seconds": 5.0, "session_first_output_delay_seconds": 0.0}
    (data,) = account.call(ADMIN, "ecr:GetAuthorizationToken").json()["authorizationData"]
    assert data["expiresAt"] - account.now() <= 5
    account.later = 6
    assert account.request("GET", "/_lab/registry-auth", basic(data["authorizationToken"])).status == 403


@pytest.mark.parametrize(
    "body", ["", "[]", '{"x": 1}', '{"ecr_token_life_seconds": -1}', '{"ecr_token_life_seconds": true}']
)
def test_settings_that_are_none(account: Account, body: str) -> None:
    assert account.request("PUT", "/_lab/settings", body=body.encode()).status == 400
    assert account.request("GET", "/_lab/settings").json()["ecr_token_life_seconds"] == 43_200


def test_a_held_call_is_not_carried_out(account: Account) -> None:
    keys = minted(account, allow(["ssm:PutParameter", "ssm:GetParameter"]))

    def hold(writes: int, calls: int) -> None:
        body = json.dumps({"role": "popcon-lab-host", "writes": writes, "calls": calls}).encode()
        assert account.request("PUT", "/_lab/hold", body=body).json() == {"held": False}

    def put(name: str, who: tuple[str, ...] = keys) -> int:
        return account.call(who, "ssm:PutParameter", {"Name": name, "Value": "x", "Type": "String"}).status

    def get(name: str, who: tuple[str, ...] = keys) -> int:
        return account.call(who, "ssm:GetParameter", {"Name": name}).status

    def held(call: Callable[[str], int], name: str) -> int:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(call(name)))
        thread.start()
        while not account.request("GET", "/_lab/hold").json()["held"]:
            time.sleep(0.01)
        # Others are let through meanwhile.
        assert put("/other", ADMIN) in (200, 400) and not answers
        assert account.request("DELETE", "/_lab/hold").json() == {"held": False}
        thread.join()
        return answers[0]

    hold(2, 0)
    assert (put("/a"), get("/a"), held(put, "/b"), get("/b", ADMIN)) == (200, 200, 400, 400)
    hold(1, 2)
    assert (get("/a"), put("/b"), get("/b"), held(get, "/b"), get("/b")) == (200, 200, 200, 400, 200)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"role": "r", "writes": 1}',
        '{"role": 1, "writes": 1, "calls": 0}',
        '{"role": "r", "writes": 0, "calls": 0}',
    ],
)
def test_a_hold_that_is_none(account: Account, body: str) -> None:
    assert account.request("PUT", "/_lab/hold", body=body.encode()).status == 400


def test_ecr_tokens_of_other_registries(account: Account) -> None:
    answer = account.call(ADMIN, "ecr:GetAuthorizationToken", {"registryIds": ["111111111111", ACCOUNT]})
    other, own = answer.json()["authorizationData"]
    assert other["proxyEndpoint"] == f"https://111111111111.dkr.ecr.{REGION}.amazonaws.com"
    assert own["proxyEndpoint"] == f"https://{REGISTRY}"
    assert account.request("GET", "/_lab/registry-auth", basic(other["authorizationToken"])).status == 401
    answer = account.call(ADMIN, "ecr:GetAuthorizationToken", {"registryIds": ["x"]})
    assert error(answer)[0] == "InvalidParameterException"


def test_sessions(account: Account) -> None:
    instance = account.instance(App="popcon")
    tagged = {"StringEquals": {"ssm:resourceTag/App": "popcon"}}
    keys = account.user(
        "deployer",
        allow("ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*", Condition=tagged),
        allow(["ssm:ResumeSession", "ssm:TerminateSession"], "arn:aws:ssm:*:*:session/${aws:username}-*"),
        allow("ssm:DescribeSessions"),
    )
    code, message = error(account.call(keys, "ssm:StartSession", {"Target": instance.id}))
    assert (code, message) == ("TargetNotConnected", f"{instance.id} is not connected.")
    account.containers[HOST_ADDRESS] = "container"
    ticket = account.call(keys, "ssm:StartSession", {"Target": instance.id, "Parameters": {}}).json()
    assert ticket["SessionId"].startswith("deployer-")
    assert ticket["StreamUrl"].endswith(f"/v1/data-channel/{ticket['SessionId']}?role=publish_subscribe")
    (described,) = account.call(keys, "ssm:DescribeSessions", {"State": "Active"}).json()["Sessions"]
    assert (described["Target"], described["Owner"]) == (instance.id, f"arn:aws:iam::{ACCOUNT}:user/deployer")
    resumed = account.call(keys, "ssm:ResumeSession", {"SessionId": ticket["SessionId"]}).json()
    assert resumed["TokenValue"] != ticket["TokenValue"]
    other = account.user("other", allow("ssm:TerminateSession", "arn:aws:ssm:*:*:session/${aws:username}-*"))
    answer = account.call(other, "ssm:TerminateSession", {"SessionId": ticket["SessionId"]})
    assert error(answer)[0] == "AccessDeniedException"
    assert account.call(keys, "ssm:TerminateSession", {"SessionId": ticket["SessionId"]}).status == 200
    assert account.call(keys, "ssm:ResumeSession", {"SessionId": ticket["SessionId"]}).json() == {
        "SessionId": ticket["SessionId"]
    }
    assert account.call(keys, "ssm:DescribeSessions", {"State": "Active"}).json()["Sessions"] == []
    filters = [{"key": "Target", "value": instance.id}]
    history = account.call(keys, "ssm:DescribeSessions", {"State": "History", "Filters": filters}).json()["Sessions"]
    assert [session["Status"] for session in history] == ["Terminated"]
    assert error(account.call(ADMIN, "ssm:TerminateSession", {"SessionId": "x-1"}))[0] == "DoesNotExistException"


def test_sessions_only_with_the_right_instances(account: Account) -> None:
    other = account.instance(App="other")
    account.containers[HOST_ADDRESS] = "container"
    tagged = {"StringEquals": {"ssm:resourceTag/App": "popcon"}}
    keys = account.user("u", allow("ssm:StartSession", Condition=tagged))
    assert error(account.call(keys, "ssm:StartSession", {"Target": other.id}))[0] == "AccessDeniedException"
    assert error(account.call(ADMIN, "ssm:StartSession", {"Target": "i-0"}))[0] == "TargetNotConnected"
    account.query("ec2", {"Action": "StopInstances", "Version": "2016-11-15", "InstanceId.1": other.id})
    assert error(account.call(ADMIN, "ssm:StartSession", {"Target": other.id}))[0] == "TargetNotConnected"


def test_sessions_by_a_document(account: Account) -> None:
    instance = account.instance()
    account.containers[HOST_ADDRESS] = "container"
    for name, kind in (("own", "Standard_Stream"), ("ports", "Port")):
        content = json.dumps({"schemaVersion": "1.0", "sessionType": kind})
        document = {"Name": name, "Content": content, "DocumentType": "Session", "DocumentFormat": "JSON"}
        assert account.call(ADMIN, "ssm:CreateDocument", document).status == 200
    on_instances = allow("ssm:StartSession", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*")
    with_own = allow("ssm:StartSession", f"{ARN}:document/own")
    keys, other = (
        account.user("u", on_instances, with_own, allow("ssm:DescribeSessions")),
        account.user("v", on_instances),
    )
    own = {"Target": instance.id, "DocumentName": "own"}
    assert account.call(keys, "ssm:StartSession", own).status == 200
    (session,) = account.call(keys, "ssm:DescribeSessions", {"State": "Active"}).json()["Sessions"]
    assert session["DocumentName"] == "own"
    code, message = error(account.call(other, "ssm:StartSession", own))
    assert (code, f"on resource: {ARN}:document/own" in message) == ("AccessDeniedException", True)
    for name in ("ports", "AWS-StartPortForwardingSession"):
        answer = account.call(ADMIN, "ssm:StartSession", {"Target": instance.id, "DocumentName": name})
        assert error(answer)[0] == "InvalidDocument"


def test_sessions_of_a_role_are_its_own_by_their_tag(account: Account) -> None:
    tag = "ssm:resourceTag/aws:ssmmessages:session-id"
    own = allow("ssm:TerminateSession", f"{ARN}:session/*", Condition={"StringLike": {tag: "${aws:userid}*"}})
    keys = minted(account, allow("ssm:StartSession"), own)
    user = account.user("u", own)
    account.containers[HOST_ADDRESS] = "container"
    target = {"Target": next(iter(account.backends.instances())).id}
    session = account.call(keys, "ssm:StartSession", target).json()["SessionId"]
    # It begins with the session's name, and not with the user id that ${aws:userid} is.
    assert session.startswith("i-")
    assert error(account.call(user, "ssm:TerminateSession", {"SessionId": session}))[0] == "AccessDeniedException"
    assert account.call(keys, "ssm:TerminateSession", {"SessionId": session}).status == 200


def test_instance_information(account: Account) -> None:
    instance = account.instance(App="popcon")

    def ask(*filters: dict[str, Any]) -> list[str]:
        answer = account.call(ADMIN, "ssm:DescribeInstanceInformation", {"Filters": list(filters)})
        return [found["PingStatus"] for found in answer.json()["InstanceInformationList"]]

    assert ask() == ["ConnectionLost"]
    account.containers[HOST_ADDRESS] = "container"
    assert ask({"Key": "InstanceIds", "Values": [instance.id]}) == ["Online"]
    assert ask({"Key": "tag:App", "Values": ["popcon"]}) == ["Online"]
    assert ask({"Key": "PingStatus", "Values": ["ConnectionLost"]}) == []


def counted(account: Account) -> Any:
    """What the account counted."""
    return account.request("GET", "/_lab/counters").json()


def test_counters(account: Account) -> None:
    account.call(ADMIN, "ssm:DescribeParameters")
    account.call(("AKIAUNKNOWN", "x"), "ssm:DescribeParameters")
    account.signed(ADMIN, "s3", "/transfer", method="HEAD", headers=EMPTY)
    account.signed(ADMIN, "s3", "/transfer/module", method="PUT", body=b"12345")
    account.api.counters.typed(b"id\necho a; \\\n")
    account.api.counters.typed(b"echo b\rhalf a line")
    assert counted(account) == {
        "sessions": 0,
        "lines": 3,
        "api": {"s3:ListBucket": 1, "s3:PutObject": 1, "ssm:DescribeParameters": 1},
        "s3": {"put": 1, "get": 0, "delete": 0, "head": 1, "uploaded_bytes": 5},
        "registry": {},
    }
    assert account.request("DELETE", "/_lab/counters").json() == {
        "sessions": 0,
        "lines": 0,
        "api": {},
        "s3": dict.fromkeys(("put", "get", "delete", "head", "uploaded_bytes"), 0),
        "registry": {},
    }


def test_registry_requests_are_counted_whatever_the_answer(account: Account) -> None:
    def registry(name: str, method: str, uri: str) -> int:
        original = {"X-Original-Method": method, "X-Original-URI": uri}
        return account.request("GET", f"/_lab/{name}", original).status

    assert registry("registry-auth", "GET", "/v2/") == 401
    assert registry("registry-auth", "HEAD", "/v2/dev-app/manifests/backend-latest") == 401
    assert registry("hub-auth", "GET", "/v2/library/mysql/blobs/sha256:0") == 200
    assert registry("hub-auth", "GET", "/v2/library/mysql/blobs/sha256:1") == 200
    assert counted(account)["registry"] == {"GET blobs": 2, "GET other": 1, "HEAD manifests": 1}


def test_health(account: Account) -> None:
    assert account.request("GET", "/_lab/health").status == 503
    account.api.ready.set()
    assert account.request("GET", "/_lab/health").status == 200
    assert account.request("GET", "/_lab/nothing").status == 404


def test_self_test(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.account import backends, selftest

    selftest.run(REGION)
    monkeypatch.setattr(backends.Backends, "key", lambda self, access_key_id: None)
    with pytest.raises(selftest.SelfTestError, match="a user's access key"):
        selftest.run(REGION)
