"""The lab's constants: names, addresses, paths; no secrets. compose.yml and images/ spell some of them out too."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

LAB = Path(__file__).resolve().parent
STATE = LAB / ".state"

REGION = "ap-northeast-2"
ACCOUNT = "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"

PROJECT = "popcon-lab"
NETWORK = "popcon-lab"
ACCOUNT_ADDRESS = "10.213.77.10"
EDGE_ADDRESS = "10.213.77.11"
GIT_ADDRESS = "10.213.77.13"
ENDPOINT_URL = f"http://{ACCOUNT_ADDRESS}:4566"
#: The same API as a controller is given it: over TLS, which buckets want.
SECURE_ENDPOINT_URL = f"https://{EDGE_ADDRESS}"

#: The registry as this machine sees it: where images are pushed, as a CI runner would.
PUSH_REGISTRY = "127.0.0.1:5077"
ECR_REPOSITORY = "dev-app"
#: Registries that the lab stands in for besides Docker Hub, for users' own apps: their images lie below these names.
OTHER_REGISTRIES = ("ghcr.io", "quay.io", "registry.gitlab.com", "public.ecr.aws", "mcr.microsoft.com")

#: The gitops repository as the hosts see it, and as this machine does.
GIT_URL = "https://git.popcon.internal/popcon/gitops.git"
GIT_LOCAL_URL = f"http://{GIT_ADDRESS}/popcon/gitops.git"
GIT_USER = "x-access-token"
GIT_TOKEN_PARAMETER = "/popcon-deploy/GIT_TOKEN"

#: Where a host serves the sample application, once it is deployed.
APP_PORT = 3000

BUCKET = "popcon-lab-transfer"
PARAMETER_PATH = "/popcon"
#: Below it, the parameters of users' own apps, each with a path of its own.
APPS_PATH = "/apps"
KEY_ALIAS = "alias/popcon-lab"
HOST_ROLE = "popcon-lab-host"
ROTATION_ROLE = "popcon-lab-rotation"
CONTROLLER_USER = "popcon-lab-deployer"
SESSION_DOCUMENT = "popcon-lab-session"
INSTANCE_TAGS = {"App": "popcon", "Environment": "lab"}

#: On every image the lab builds: the hash of what it was built from.
CONTENT_LABEL = "popcon.lab.content"
#: Where the account begins empty: the container, never started, that its instances are made like.
MODEL = f"{PROJECT}-host-1"

#: The names the edge answers for.
EDGE_NAMES = (
    f"*.{REGION}.amazonaws.com",
    f"*.s3.{REGION}.amazonaws.com",
    f"*.dkr.ecr.{REGION}.amazonaws.com",
    f"api.ecr.{REGION}.amazonaws.com",
    "iam.amazonaws.com",
    "sts.amazonaws.com",
    "registry-1.docker.io",
    "git.popcon.internal",
    *OTHER_REGISTRIES,
)
