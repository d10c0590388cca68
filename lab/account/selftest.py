"""Does what the lab uses of moto's private API still answer? Run at every start, in a throw-away account of moto's."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends

from . import policy
from .backends import DEBIAN_IMAGE, Backends

#: What the account offers. moto imports a service at its first request; importing them here makes that request quick.
_SERVICES = ("ec2", "ecr", "iam", "kms", "s3", "ssm", "sts")

_ACCOUNT = "999999999999"
_ADDRESS = "10.213.77.250"
_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}'


class SelfTestError(RuntimeError):
    """moto is not the one this package was written for."""


def run(region: str) -> None:
    """Nothing, or ``SelfTestError`` with what went wrong."""
    backends = Backends(_ACCOUNT, region)
    try:
        for service in _SERVICES:
            importlib.import_module(f"moto.{service}.responses")
        _check(backends, iam_backends[_ACCOUNT]["aws"])
    except SelfTestError:
        raise
    except Exception as error:
        raise SelfTestError(f"moto's private API has changed: {type(error).__name__}: {error}") from error
    finally:
        for accounts in (iam_backends, ec2_backends, s3_backends, ssm_backends, sts_backends):
            accounts.pop(_ACCOUNT, None)


def _check(backends: Backends, iam: Any) -> None:
    iam.create_user(region_name=backends.region, user_name="u")
    iam.put_user_policy("u", "p", _POLICY)
    key = iam.create_access_key("u")
    found = backends.key(key.access_key_id)
    _expect(found is not None and found.secret == key.secret_access_key, "a user's access key")
    documents = backends.policies(found.arn if found else "")
    _expect(policy.allows(documents, "ssm:GetParameter", "*", {}) == (True, False), "a user's policies")
    options = {"private_ip": _ADDRESS, "instance_type": "t3.micro", "is_instance_type_default": True}
    ec2_backends[_ACCOUNT][backends.region].run_instances("ami-1", 1, None, [], **options)
    instance = next(iter(backends.instances()), None)
    _expect(
        instance is not None and instance.private_ip == _ADDRESS and instance.running, "an instance's private address"
    )
    _expect(backends.key("ASIAUNKNOWN") is None, "that a key is unknown")
    bucket = s3_backends[_ACCOUNT]["aws"].create_bucket("popcon-lab-selftest", backends.region)
    bucket.policy = _POLICY.encode()
    _expect(backends.bucket_policies(f"{bucket.arn}/key") == [_POLICY], "a bucket's policy")
    s3_backends[_ACCOUNT]["aws"].delete_bucket(bucket.name)
    backends.publish_image()
    name, image = DEBIAN_IMAGE
    _expect(ssm_backends[_ACCOUNT][backends.region].get_parameter(name).value == image, "a public parameter")
    _expect(not backends.is_session_document("none") and not backends.has_repository("none"), "what there is not")


def _expect(truth: bool, what: str) -> None:
    if not truth:
        raise SelfTestError(f"moto no longer tells {what}")
