"""A person's session: `session.py INSTANCE COMMAND` runs one command in a session, as after `aws ssm start-session`.

It waits for the prompt, types the command and `exit`, shows what the terminal shows, and ends with the command's status.
It needs what the AWS CLI needs for the same: boto3, credentials, and the session-manager-plugin.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import boto3

#: Printed by the shell after the command, with its status.
_END = "status of the command: "


def main(instance: str, command: str) -> int:
    """Run the command on the instance; its exit status."""
    ssm = boto3.client("ssm")
    ticket = ssm.start_session(Target=instance)
    del ticket["ResponseMetadata"]
    target = json.dumps({"Target": instance})
    plugin = os.environ.get("AWS_SESSION_MANAGER_PLUGIN", "session-manager-plugin")
    arguments = [json.dumps(ticket), ssm.meta.region_name, "StartSession", "", target, ssm.meta.endpoint_url]
    with subprocess.Popen([plugin, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None and client.stdout is not None
        output = b""
        while not re.search(rb"[$#] $", output):
            data = os.read(client.stdout.fileno(), 65536)
            if not data:
                sys.exit("the session ended before its prompt")
            output += data
        client.stdin.write(f"{command}; echo '{_END}'$?; exit\n".encode())
        client.stdin.flush()
        output += client.stdout.read()
    text = output.decode(errors="replace")
    print(text)
    # Not at the start of a line: compose leaves the terminal with an escape sequence. The echo of the command has no number.
    status = re.search(rf"{_END}(\d+)", text)
    return int(status[1]) if status else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
