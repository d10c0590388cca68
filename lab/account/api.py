"""The account's HTTP front, a WSGI application: authenticates and authorizes every request, and hands it on to moto.

Answered here, as moto has them not or not truly: StartSession, ResumeSession, TerminateSession, DescribeSessions,
DescribeInstanceInformation, ECR's GetAuthorizationToken, and GetCallerIdentity. And ``/_lab/…``, no AWS, without
signature:

``/_lab/health`` GET
    200 once everything listens.
``/_lab/registry-auth`` any method
    For nginx's auth_request: 200, 401 (with WWW-Authenticate) or 403, the reason in X-Lab-Reason and in the body. Reads
    Authorization, and X-Original-Method and X-Original-URI where given.
``/_lab/hub-auth`` any method
    The same for the public images: always 200, so that their requests are counted.
``/_lab/push-auth`` any method
    The same for pushes from this machine, which has no token: 200 for the public images and for a repository that the
    account has, else 403.
``/_lab/counters`` GET, DELETE
    JSON: sessions, lines (typed into their shells), api {service:Action -> calls}, s3 {put, get, delete, head,
    uploaded_bytes}, registry {METHOD kind -> requests}. DELETE sets them to zero.
``/_lab/settings`` GET, PUT
    JSON of ``Settings``; PUT takes any part of it.
``/_lab/hold`` GET, PUT, DELETE
    JSON of ``Hold.report``; PUT takes what ``Hold.arm`` does, DELETE lets go.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from . import engine
from .auth import Authenticator, Authorizer, Principal, Signed
from .backends import Backends, Instance
from .channel import AGENT_VERSION
from .counters import Counters
from .ecr import LIFE, Tokens, repository_of
from .errors import Denial, Fault, Refusal, Reply, reply
from .gateway import Gateway, NoSuchSession, Session
from .hold import Hold
from .request import Call, Request, read

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_SHELL_DOCUMENT = "SSM-SessionManagerRunShell"


@dataclasses.dataclass
class Settings:
    """What tests may turn at run time, in seconds.

    ``session_first_output_delay_seconds``: the real agent sleeps 1 s before the first output of a session.
    """

    ecr_token_life_seconds: float = LIFE
    session_first_output_delay_seconds: float = 0.0

    def update(self, values: Any) -> None:
        """Take some of the settings; ``ValueError`` for anything unknown or not a number >= 0."""
        names = {field.name for field in dataclasses.fields(self)}
        if not isinstance(values, dict) or not names.issuperset(values):
            raise ValueError(f"settings are {', '.join(sorted(names))}")
        if any(isinstance(value, bool) or not isinstance(value, int | float) or value < 0 for value in values.values()):
            raise ValueError("settings are seconds, numbers >= 0")
        for name, value in values.items():
            setattr(self, name, float(value))


@dataclasses.dataclass
class Api:
    """The WSGI application. ``hosts`` maps the addresses of running host containers to their ids."""

    backends: Backends
    authenticator: Authenticator
    authorizer: Authorizer
    tokens: Tokens
    gateway: Gateway
    settings: Settings
    moto: Callable[[Environ, StartResponse], Iterable[bytes]]
    hosts: Callable[[], dict[str, str]] = engine.hosts
    counters: Counters = dataclasses.field(default_factory=Counters)
    hold: Hold = dataclasses.field(default_factory=Hold)
    ready: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        request = _request(environ)
        if request.target.startswith("/_lab/"):
            return self._lab(request, start_response)
        json_protocol = "x-amz-target" in request.headers
        try:
            signed = self.authenticator.verify(request)
            call = read(request, signed.service, signed.region, self.backends.account_id)
            # The edge, which ends TLS, says so.
            secure = request.headers.get("x-forwarded-proto") == "https"
            self.authorizer.check(signed.principal, call, signed.region, secure=secure)
            self.counters.count(call, request)
            if not self.hold.passes(signed.principal.arn, call.name):
                raise Refusal("AccessDeniedException", "The lab held this call.")
            action = _ACTIONS.get(call.name)
            if action is not None:
                body = json.dumps(action(self, call.parameters, signed)).encode()
                return _send(start_response, Reply(200, "application/x-amz-json-1.1", body), request.method)
            if call.name == "sts:GetCallerIdentity":
                return _send(start_response, _identity(signed.principal, self.backends.account_id), request.method)
        except (Fault, Denial, Refusal) as error:
            answer = reply(error, json_protocol=json_protocol, service=_guess(request))
            return _send(start_response, answer, request.method)
        # moto has a metadata service and a reset of its own, both open to anybody who asks for such a path.
        if request.target.startswith(("/latest/", "/moto-api")) and signed.service != "s3":
            return _send(start_response, Reply(404, "text/plain", b""), request.method)
        body = _by_key_id(call, request) if call.service == "kms" else request.body
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self.moto(environ, start_response)

    def start_session(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ssm:StartSession."""
        document = str(parameters.get("DocumentName") or _SHELL_DOCUMENT)
        if document != _SHELL_DOCUMENT and not self.backends.is_session_document(document):
            raise Refusal("InvalidDocument", f"Document with name {document} does not exist.")
        target = str(parameters.get("Target", ""))
        container = self._connected().get(target)
        if container is None:
            raise Refusal("TargetNotConnected", f"{target} is not connected.")
        reason = str(parameters.get("Reason", ""))
        return self.gateway.call(self.gateway.start(target, container, signed.principal.arn, reason, document))

    def resume_session(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ssm:ResumeSession."""
        return self._of_session(parameters, self.gateway.resume)

    def terminate_session(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ssm:TerminateSession."""
        return self._of_session(parameters, self.gateway.terminate)

    def describe_sessions(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ssm:DescribeSessions, in one page; filters Owner, Target, Status and SessionId."""
        active = parameters.get("State") == "Active"
        if not active and parameters.get("State") != "History":
            raise Refusal("ValidationException", "State must be one of: Active, History")
        wanted_sessions = [
            session for session in list(self.gateway.sessions.values()) if (session.ended is None) == active
        ]
        sessions = [_described(session) for session in wanted_sessions]
        for wanted in parameters.get("Filters", []):
            sessions = [session for session in sessions if session.get(wanted.get("key")) == wanted.get("value")]
        return {"Sessions": sorted(sessions, key=lambda session: -session["StartDate"])}

    def describe_instance_information(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ssm:DescribeInstanceInformation, in one page; filters InstanceIds and PingStatus, and tag:NAME."""
        connected = self._connected()
        found = [
            (instance, _information(instance, instance.id in connected))
            for instance in self.backends.instances()
            if instance.running
        ]
        for wanted in parameters.get("Filters", []) + parameters.get("InstanceInformationFilterList", []):
            key, values = wanted.get("Key") or wanted.get("key"), wanted.get("Values") or wanted.get("valueSet") or []
            found = [pair for pair in found if _matches(*pair, key, values)]
        return {"InstanceInformationList": [information for _dummy, information in found]}

    def authorization_token(self, parameters: dict[str, Any], signed: Signed) -> dict[str, Any]:
        """ecr:GetAuthorizationToken."""
        return self.tokens.mint(signed.principal, parameters, signed.region)

    def _connected(self) -> dict[str, str]:
        """The instances with an agent: instance id -> container id."""
        try:
            hosts = self.hosts()
        except engine.EngineError as error:
            raise Refusal("InternalServerError", str(error)) from error
        return {
            instance.id: hosts[instance.private_ip]
            for instance in self.backends.instances()
            if instance.running and instance.private_ip in hosts
        }

    def _of_session(self, parameters: dict[str, Any], method: Callable[[str], Any]) -> dict[str, Any]:
        session_id = str(parameters.get("SessionId", ""))
        try:
            return self.gateway.call(method(session_id))
        except NoSuchSession:
            raise Refusal("DoesNotExistException", f"Session {session_id} does not exist.") from None

    def _lab(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        name = request.target.partition("?")[0].removeprefix("/_lab/")
        original = (request.headers.get("x-original-method", ""), request.headers.get("x-original-uri", ""))
        if name == "push-auth":
            repository = repository_of(original[1])
            # Below the name of another registry, as below library/, lie images that the lab stands in for.
            other = repository.startswith("library/") or "." in repository.partition("/")[0]
            known = not repository or other or self.backends.has_repository(repository)
            return _send(start_response, Reply(200 if known else 403, "text/plain", b""), request.method)
        if name in ("registry-auth", "hub-auth"):
            self.counters.registry(*original)
            if name == "hub-auth":
                return _send(start_response, Reply(200, "text/plain", b""), request.method)
            return self._registry_auth(request, original, start_response)
        if (request.method, name) == ("GET", "health"):
            answer = _document({"ready": self.ready.is_set()}, 200 if self.ready.is_set() else 503)
        elif name == "counters" and request.method in ("GET", "DELETE"):
            if request.method == "DELETE":
                self.counters.reset()
            answer = _document(self.counters.report())
        elif name == "hold" and request.method in ("GET", "PUT", "DELETE"):
            answer = self._hold(request)
        elif name == "settings" and request.method in ("GET", "PUT"):
            try:
                if request.method == "PUT":
                    self.settings.update(json.loads(request.body))
                answer = _document(dataclasses.asdict(self.settings))
            except ValueError as error:
                answer = _document({"message": str(error)}, 400)
        else:
            answer = _document({"message": f"no {request.method} {request.target}"}, 404)
        return _send(start_response, answer, request.method)

    def _hold(self, request: Request) -> Reply:
        try:
            if request.method == "PUT":
                self.hold.arm(json.loads(request.body))
            elif request.method == "DELETE":
                self.hold.release()
            return _document(self.hold.report())
        except ValueError as error:
            return _document({"message": str(error)}, 400)

    def _registry_auth(
        self, request: Request, original: tuple[str, str], start_response: StartResponse
    ) -> Iterable[bytes]:
        verdict = self.tokens.check(request.headers.get("authorization", ""), *original)
        headers = [("X-Lab-Reason", verdict.reason)] if verdict.reason else []
        if verdict.status == 401:
            challenge = f'Basic realm="https://{self.tokens.registry}/",service="ecr.amazonaws.com"'
            headers.append(("WWW-Authenticate", challenge))
        answer = Reply(verdict.status, "text/plain", verdict.reason.encode())
        return _send(start_response, answer, request.method, headers)


_ACTIONS: dict[str, Callable[[Api, dict[str, Any], Signed], dict[str, Any]]] = {
    "ssm:StartSession": Api.start_session,
    "ssm:ResumeSession": Api.resume_session,
    "ssm:TerminateSession": Api.terminate_session,
    "ssm:DescribeSessions": Api.describe_sessions,
    "ssm:DescribeInstanceInformation": Api.describe_instance_information,
    "ecr:GetAuthorizationToken": Api.authorization_token,
}


def _identity(principal: Principal, account_id: str) -> Reply:
    """sts:GetCallerIdentity's answer: moto knows nothing of the keys of ``auth.Keyring``."""
    result = f"<Arn>{principal.arn}</Arn><UserId>{principal.user_id}</UserId><Account>{account_id}</Account>"
    request_id = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    body = f"<GetCallerIdentityResult>{result}</GetCallerIdentityResult>{request_id}"
    xml = f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{body}</GetCallerIdentityResponse>'
    return Reply(200, "text/xml", xml.encode())


def _by_key_id(call: Call, request: Request) -> bytes:
    """The body of a call of KMS with the key's id in place of its ARN, which half of moto's actions do not know."""
    _arn, found, key_id = str(call.parameters.get("KeyId", "")).partition(":key/")
    return json.dumps({**call.parameters, "KeyId": key_id}).encode() if found else request.body


def _described(session: Session) -> dict[str, Any]:
    ended = {} if session.ended is None else {"EndDate": session.ended}
    return {
        "SessionId": session.id,
        "Target": session.target,
        "Status": session.status,
        "StartDate": session.started,
        "DocumentName": session.document,
        "Owner": session.owner,
        "Reason": session.reason,
        **ended,
    }


def _information(instance: Instance, connected: bool) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "PingStatus": "Online" if connected else "ConnectionLost",
        "LastPingDateTime": time.time(),
        "AgentVersion": AGENT_VERSION,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip,
        "ComputerName": f"ip-{instance.private_ip.replace('.', '-')}",
    }


def _matches(instance: Instance, information: dict[str, Any], key: str | None, values: list[str]) -> bool:
    if key and key.startswith("tag:"):
        return instance.tags.get(key.removeprefix("tag:")) in values
    return information.get({"InstanceIds": "InstanceId"}.get(key or "", key or "")) in values


def _request(environ: Environ) -> Request:
    """The request with its body read; the path as it was signed, which ``PATH_INFO`` no longer is."""
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not target:
        path = quote(environ.get("PATH_INFO", "/").encode("latin-1"), safe="/~")
        target = f"{path}?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else path
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    content = [name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    headers |= {name.replace("_", "-").lower(): environ[name] for name in content}
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return Request(environ["REQUEST_METHOD"], target, headers, body)


def _guess(request: Request) -> str:
    """The service of a request that has no readable signature: a form is of the query protocol, the rest S3."""
    return "sts" if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded") else "s3"


def _document(value: Any, status: int = 200) -> Reply:
    return Reply(status, "application/json", json.dumps(value).encode())


def _send(
    start_response: StartResponse, answer: Reply, method: str, headers: Iterable[tuple[str, str]] = ()
) -> Iterable[bytes]:
    content = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", [*content, *headers])
    return [] if method == "HEAD" else [answer.body]
