#!/usr/bin/env bash
# How this stack was deployed before: by hand, on the host, after a git pull. Kept as it was, with all its faults, to
# compare with.
set -e
cd "$(dirname "$0")"

echo "[1/4] Settings from Parameter Store to .env"
aws ssm get-parameters-by-path --path /popcon --with-decryption --query "Parameters[*].[Name,Value]" --output text |
    while read -r name value; do echo "${name##*/}=$value"; done > .env

echo "[2/4] Login to ECR"
ECR_REGISTRY=$(grep "^ECR_REGISTRY=" .env | cut -d= -f2)
aws ecr get-login-password | docker login --username AWS --password-stdin "$ECR_REGISTRY"

echo "[3/4] Pull"
docker compose pull

echo "[4/4] Up"
docker compose up -d
