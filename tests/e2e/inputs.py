"""Every input of a container that a compose file has: how it comes, changes and goes, and how that is seen from the container.

`INPUTS` has one service each, because compose's own hash tells little or nothing of them. `PLAIN` are keys that compose's hash
covers whole; they share services. `NO_INPUT` are those that don't make a container what it is, and why.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

IMAGE = "redis:8"
OTHER_IMAGE = "mysql:9"
#: A service that does nothing and ends at once.
IDLE: dict[str, Any] = {
    "image": IMAGE,
    "entrypoint": ["sh", "-c", "sleep infinity"],
    "init": True,
    "stop_grace_period": "1s",
    "restart": "unless-stopped",
}
#: States of an input.
WITHOUT, NEW, CHANGED = range(3)
COMPOSE_FILE = "docker-compose.yml"
CONTRACT = ".env.example"
#: Their services take the whole env file, so that any changed setting is theirs.
WHOLE_ENV_FILE = {"bind_env_file"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """What an app has in one state of an input: keys of its service, whole services, and all else."""

    service: Json = field(default_factory=dict)
    services: Json = field(default_factory=dict)
    top: Json = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    executable: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    #: The main file has no service of the input's name.
    elsewhere: bool = False


@dataclass(frozen=True)
class Input:
    """An input.

    :param name: its service's, too.
    :param keys: what of compose's schema it covers.
    :param look: shell commands on the host that print what the container has; `$c` is the container, `$p` the project.
    :param sees: what they print in the three states; None for what doesn't matter.
    :param typical: it stands for its kind where there is little time.
    :param since: the first Compose that knows it.
    """

    name: str
    keys: tuple[str, ...]
    new: Part
    changed: Part
    look: str
    sees: tuple[str | None, str, str]
    without: Part = field(default_factory=Part)
    typical: bool = False
    #: States between which its containers may stay.
    alike: frozenset[int] = frozenset()
    since: tuple[int, int] = (2, 26)

    def part(self, state: int) -> Part:
        """What the app has in a state."""
        return (self.without, self.new, self.changed)[state]


def _cat(path: str) -> str:
    return f'docker exec "$c" cat {path} 2>/dev/null'


def _env(name: str) -> str:
    return f'docker exec "$c" printenv {name}'


def _inspect(template: str) -> str:
    return f"docker inspect -f '{template}' \"$c\""


def _mounted(name: str, keys: tuple[str, ...], source: str, path: str, **more: Any) -> Input:
    """A bind mount of which only the content changes."""
    mount = {"volumes": [f"{source}:/srv/{name}:ro"]}
    return Input(
        name, keys, Part(mount, files={path: "one\n"}), Part(mount, files={path: "two\n"}),
        _cat(f"/srv/{name}{path.removeprefix(source.removeprefix('./').removeprefix('${PWD}/'))}"), ("", "one", "two"), **more,
    )  # fmt: skip


def _granted(kind: str, name: str, keys: tuple[str, ...], new: Part, changed: Part, **more: Any) -> Input:
    """A secret or config, of which only the definition or the content changes."""
    path = f"/run/secrets/{name}" if kind == "secrets" else f"/{name}"
    return Input(name, (f"service.{kind}", *keys), new, changed, _cat(path), ("", "one", "two"), **more)


def _grant(kind: str, name: str, definition: Json, **more: Any) -> Part:
    return Part({kind: [name]}, top={kind: {name: definition}}, **more)


def _with_companion(name: str, keys: tuple[str, ...], service: Json, look: str, seen: str, **more: Any) -> Input:
    """An input that is another service, whose containers are replaced."""
    kept = {"ipc": "shareable"} if "service.ipc" in keys else {}
    companions = [{f"{name}_to": {**IDLE, **kept, "environment": {"VALUE": value}}} for value in ("none", "one", "two")]
    return Input(
        name, keys, Part(service, companions[1]), Part(service, companions[2]), look, ("", seen, seen),
        without=Part(services=companions[0]), **more,
    )  # fmt: skip


def _same_namespace(name: str, kind: str) -> str:
    there = f'docker exec "$p-{name}_to-1" readlink /proc/self/ns/{kind}'
    return f'[ "$(docker exec "$c" readlink /proc/self/ns/{kind})" = "$({there})" ] && echo shared'


_SCALE = (
    'docker ps -q --filter "label=com.docker.compose.project=$p" --filter "label=com.docker.compose.service={}" | wc -l'
)

INPUTS = (
    Input(
        "image", ("service.image",), Part({"image": OTHER_IMAGE}), Part({"image": IMAGE, "labels": {"image": "again"}}),
        'docker exec "$c" sh -c "command -v mysqld || command -v redis-server"',
        ("/usr/bin/redis-server", "/usr/sbin/mysqld", "/usr/bin/redis-server"), typical=True,
    ),
    Input(
        "environment", ("service.environment",), Part({"environment": {"GREETING": "one"}}),
        Part({"environment": {"GREETING": "two"}}), _env("GREETING"), ("", "one", "two"),
    ),
    Input(
        "setting", ("service.environment",), Part({"environment": {"FROM": "${SETTING}"}}, settings={"SETTING": "one"}),
        Part({"environment": {"FROM": "${SETTING}"}}, settings={"SETTING": "two"}), _env("FROM"), ("", "one", "two"), typical=True,
    ),
    Input(
        "env_file", ("service.env_file",), Part({"env_file": "./env/short.env"}, files={"env/short.env": "SHORT=one\n"}),
        Part({"env_file": "./env/short.env"}, files={"env/short.env": "SHORT=two\n"}), _env("SHORT"), ("", "one", "two"), typical=True,
    ),
    Input(
        "env_file_optional", ("service.env_file",), Part({"env_file": [{"path": "env/optional.env", "required": False}]}),
        Part({"env_file": [{"path": "env/optional.env", "required": False}]}, files={"env/optional.env": "OPTIONAL=two\n"}),
        _env("OPTIONAL"), ("", "", "two"), alike=frozenset({WITHOUT, NEW}),
    ),
    Input(
        "env_file_setting", ("service.env_file",),
        Part({"env_file": ["env/setting.env"]}, files={"env/setting.env": "VIA=${ENV_FILE}\n"}, settings={"ENV_FILE": "one"}),
        Part({"env_file": ["env/setting.env"]}, files={"env/setting.env": "VIA=${ENV_FILE}\n"}, settings={"ENV_FILE": "two"}),
        _env("VIA"), ("", "one", "two"),
    ),
    Input(
        "env_file_raw", ("service.env_file",),
        Part({"env_file": [{"path": "env/raw.env", "format": "raw"}]}, files={"env/raw.env": "RAW=$one\n"}),
        Part({"env_file": [{"path": "env/raw.env", "format": "raw"}]}, files={"env/raw.env": "RAW=$two\n"}),
        _env("RAW"), ("", "$one", "$two"), since=(2, 30),
    ),
    Input(
        "label_file", ("service.label_file",), Part({"label_file": "./a.labels"}, files={"a.labels": "of-a-file=one\n"}),
        Part({"label_file": "./a.labels"}, files={"a.labels": "of-a-file=two\n"}),
        _inspect('{{index .Config.Labels "of-a-file"}}'), ("", "one", "two"),
    ),
    Input(
        "extends", ("service.extends",),
        Part({"extends": {"file": "common/base.yml", "service": "base"}, "image": None}, files={
            "common/base.yml": json.dumps({"services": {"base": {"image": IMAGE, "environment": {"BASE": "one"}}}}),
        }),
        Part({"extends": {"file": "common/base.yml", "service": "base"}, "image": None}, files={
            "common/base.yml": json.dumps({"services": {"base": {"image": OTHER_IMAGE, "environment": {"BASE": "two"}}}}),
        }),
        f'{_env("BASE")}; docker exec "$c" sh -c "command -v mysqld"', ("", "one", "two\n/usr/sbin/mysqld"), typical=True,
    ),
    Input(
        "extends_env_file", ("service.extends",), *(
            Part({"extends": {"file": "common/further.yml", "service": "base"}}, files={
                "common/further.yml": json.dumps({"services": {"base": {"image": IMAGE, "env_file": "further.env"}}}),
                "common/further.env": f"FURTHER={value}\n",
            }) for value in ("one", "two")
        ),
        _env("FURTHER"), ("", "one", "two"),
    ),
    Input(
        "include", ("include",), *(
            Part(elsewhere=True, top={
                "include": [{"path": "part/app.yml", "env_file": "part/app.env", "project_directory": "part"}],
            }, files={
                "part/app.yml": json.dumps({"services": {"include": {
                    **IDLE, "environment": {"PART": "${PART}"}, "volumes": ["./conf:/srv/conf:ro"],
                }}}),
                "part/app.env": f"PART={value}\n",
                "part/conf": f"{value}\n",
            }) for value in ("one", "two")
        ),
        f"{_env('PART')}; {_cat('/srv/conf')}", ("", "one\none", "two\ntwo"), without=Part(elsewhere=True), typical=True,
    ),
    Input(
        "include_short", ("include",), *(
            Part(elsewhere=True, top={"include": ["short.yml"]}, files={
                "short.yml": json.dumps({"services": {"include_short": {**IDLE, "environment": {"SHORT": value}}}}),
            }) for value in ("one", "two")
        ),
        _env("SHORT"), ("", "one", "two"), without=Part(elsewhere=True),
    ),
    _granted("secrets", "secret_file", ("secret.file",), *(
        _grant("secrets", "secret_file", {"file": "./secrets/tok.txt"}, files={"secrets/tok.txt": f"{value}\n"})
        for value in ("one", "two")
    ), typical=True),
    _granted("secrets", "secret_environment", ("secret.environment",), *(
        _grant("secrets", "secret_environment", {"environment": "SECRET_TOKEN"}, settings={"SECRET_TOKEN": value})
        for value in ("one", "two")
    ), typical=True),
    Input(
        "secret_long", ("service.secrets",), *(
            Part({"secrets": [{"source": "long", "target": "/srv/long", "mode": mode}]},
                 top={"secrets": {"long": {"environment": "SECRET_LONG"}}}, settings={"SECRET_LONG": "value"})
            for mode in (0o444, 0o404)
        ),
        'docker exec "$c" stat -c %a /srv/long; ' + _cat("/srv/long"), ("", "444\nvalue", "404\nvalue"),
    ),
    _granted("configs", "config_file", ("config.file",), *(
        _grant("configs", "config_file", {"file": "./conf/cf.conf"}, files={"conf/cf.conf": f"{value}\n"})
        for value in ("one", "two")
    )),
    _granted("configs", "config_environment", ("config.environment",), *(
        _grant("configs", "config_environment", {"environment": "CONFIG_VALUE"}, settings={"CONFIG_VALUE": value})
        for value in ("one", "two")
    )),
    _granted("configs", "config_content", ("config.content",), *(
        _grant("configs", "config_content", {"content": f"{value}\n"}) for value in ("one", "two")
    )),
    _granted("configs", "config_content_variable", ("config.content",), *(
        _grant("configs", "config_content_variable", {"content": "${CONTENT}\n"}, settings={"CONTENT": value})
        for value in ("one", "two")
    ), typical=True),
    Input(
        "config_long", ("service.configs",), *(
            Part({"configs": [{"source": "long", "target": f"/srv/{value}", "mode": 0o400}]},
                 top={"configs": {"long": {"content": "value\n"}}})
            for value in ("one", "two")
        ),
        'docker exec "$c" sh -c "stat -c \'%n %a\' /srv/one /srv/two 2>/dev/null"', ("", "/srv/one 400", "/srv/two 400"),
    ),
    _mounted("bind_file", ("service.volumes",), "./nginx/nginx.conf", "nginx/nginx.conf"),
    _mounted("bind_hidden", ("service.volumes",), "./nginx/.htpasswd", "nginx/.htpasswd", typical=True),
    _mounted("bind_folder", ("service.volumes",), "./site", "site/deep/.hidden/page"),
    _mounted("bind_pwd", ("service.volumes",), "${PWD}/pwd.conf", "pwd.conf", typical=True),
    Input(
        "bind_long", ("service.volumes",), *(
            Part({"volumes": [{"type": "bind", "source": "long.conf", "target": "/srv/long", "read_only": read_only}]},
                 files={"long.conf": "same\n"})
            for read_only in (True, False)
        ),
        f"{_cat('/srv/long')} && {_inspect('{{range .Mounts}}{{if eq .Destination `/srv/long`}}{{.RW}}{{end}}{{end}}')}",
        ("", "same\nfalse", "same\ntrue"),
    ),
    Input(
        "bind_mode", ("service.volumes",), *(
            Part({"volumes": ["./bin/tool:/srv/tool:ro"]}, files={"bin/tool": "#!/bin/sh\n"}, executable=executable)
            for executable in ((), ("bin/tool",))
        ),
        'docker exec "$c" sh -c "[ ! -e /srv/tool ] || if [ -x /srv/tool ]; then echo yes; else echo no; fi"', ("", "no", "yes"),
    ),
    Input(
        "bind_link", ("service.volumes",), *(
            Part({"volumes": ["./current:/srv/current:ro"]}, links={"current": value},
                 files={"one/name": "one\n", "two/name": "two\n"})
            for value in ("one", "two")
        ),
        _cat("/srv/current/name"), ("", "one", "two"),
    ),
    Input(
        "bind_env_file", ("service.volumes",), *(
            Part({"volumes": ["./.env:/srv/env:ro"]}, settings={"IN_ENV_FILE": value}) for value in ("one", "two")
        ),
        'docker exec "$c" grep -s ^IN_ENV_FILE= /srv/env | tr -d "\\"\'"', ("", "IN_ENV_FILE=one", "IN_ENV_FILE=two"),
    ),
    Input(
        "volume", ("service.volumes",), *(
            Part({"volumes": [f"volume_{value}:/srv/volume"]}, top={"volumes": {"volume_one": None, "volume_two": None}})
            for value in ("one", "two")
        ),
        _inspect("{{range .Mounts}}{{if eq .Destination `/srv/volume`}}{{.Name}}{{end}}{{end}}") + ' | sed "s/^$p.//"',
        ("", "volume_one", "volume_two"),
    ),
    Input(
        "networks", ("service.networks",), *(
            Part({"networks": [f"net_{value}"]}, top={"networks": {"net_one": None, "net_two": None}})
            for value in ("one", "two")
        ),
        _inspect("{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}") + ' | sed "s/^$p.//"',
        ("default", "net_one", "net_two"), typical=True,
    ),
    Input(
        "aliases", ("service.networks",), *(
            Part({"networks": {"default": {"aliases": [f"alias-{value}"]}}}) for value in ("one", "two")
        ),
        'docker exec "$c" getent hosts alias-one alias-two | sed "s/.* //"', ("", "alias-one", "alias-two"),
    ),
    _with_companion(
        "network_of", ("service.network_mode",), {"network_mode": "service:network_of_to"}, _same_namespace("network_of", "net"),
        "shared", typical=True,
    ),
    _with_companion("ipc_of", ("service.ipc",), {"ipc": "service:ipc_of_to"}, _same_namespace("ipc_of", "ipc"), "shared"),
    _with_companion("pid_of", ("service.pid",), {"pid": "service:pid_of_to"}, _same_namespace("pid_of", "pid"), "shared"),
    Input(
        "volumes_from", ("service.volumes_from",), *(
            Part({"volumes_from": ["volumes_from_to:ro"]}, {
                "volumes_from_to": {**IDLE, "volumes": ["./from.conf:/srv/from.conf:ro"]},
            }, files={"from.conf": f"{value}\n"}) for value in ("one", "two")
        ),
        _cat("/srv/from.conf"), ("", "one", "two"), without=Part(services={"volumes_from_to": IDLE}), typical=True,
    ),
    _with_companion(
        "depends_on", ("service.depends_on",), {"depends_on": {"depends_on_to": {"condition": "service_started", "restart": True}}},
        '[ "$(docker inspect -f "{{.State.StartedAt}}" "$c")" \\> "$(docker inspect -f "{{.Created}}" "$p-depends_on_to-1")" ]'
        ' && [ "$(docker exec "$p-depends_on_to-1" printenv VALUE)" != none ] && echo after',
        "after", typical=True, alike=frozenset({WITHOUT, CHANGED}),
    ),
    Input(
        "scale", ("service.scale",), Part({"scale": 2}), Part({"scale": 3}), _SCALE.format("scale"), ("1", "2", "3"),
    ),
    Input(
        "replicas", ("service.deploy", "deployment.replicas"), Part({"deploy": {"replicas": 0}}), Part({"deploy": {"replicas": 2}}),
        _SCALE.format("replicas"), ("1", "0", "2"), typical=True,
    ),
    Input(
        "profiles", ("service.profiles",), Part({"profiles": ["tools"]}), Part({"profiles": ["other"]}),
        _SCALE.format("profiles"), ("1", "0", "0"), alike=frozenset({NEW, CHANGED}),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Plain:
    """A key of a service that compose's own hash covers.

    :param seen: a template of `docker inspect`, and what it shows for both values. None where not every machine can run it.
    """

    new: Any
    changed: Any
    seen: tuple[str, str, str] | None = None
    since: tuple[int, int] = (2, 26)


#: By the service that has them, then by key.
PLAIN: dict[str, dict[str, Plain]] = {
    "plain_process": {
        "command": Plain(["one"], ["two"], ("{{json .Config.Cmd}}", '["one"]', '["two"]')),
        "entrypoint": Plain(
            ["sh", "-c", "sleep infinity", "one"],
            ["sh", "-c", "sleep infinity", "two"],
            ("{{index .Config.Entrypoint 3}}", "one", "two"),
        ),
        "working_dir": Plain("/tmp", "/var", ("{{.Config.WorkingDir}}", "/tmp", "/var")),
        "user": Plain("1:1", "2:2", ("{{.Config.User}}", "1:1", "2:2")),
        "group_add": Plain(["3"], ["4"], ("{{json .HostConfig.GroupAdd}}", '["3"]', '["4"]')),
        "stop_signal": Plain("SIGINT", "SIGQUIT", ("{{.Config.StopSignal}}", "SIGINT", "SIGQUIT")),
        "stop_grace_period": Plain("2s", "3s", ("{{.Config.StopTimeout}}", "2", "3")),
        "tty": Plain(True, False, ("{{.Config.Tty}}", "true", "false")),
        "stdin_open": Plain(True, False, ("{{.Config.OpenStdin}}", "true", "false")),
        "restart": Plain("always", "on-failure", ("{{.HostConfig.RestartPolicy.Name}}", "always", "on-failure")),
        "healthcheck": Plain(
            {"test": ["CMD", "true"], "interval": "2s", "start_period": "0s"},
            {"test": ["CMD-SHELL", "true"], "interval": "2s", "start_period": "0s"},
            ("{{index .Config.Healthcheck.Test 0}}", "CMD", "CMD-SHELL"),
        ),
        "logging": Plain(
            {"driver": "json-file"}, {"driver": "local"}, ("{{.HostConfig.LogConfig.Type}}", "json-file", "local")
        ),
    },
    "plain_names": {
        "container_name": Plain("x-input-one", "x-input-two", ("{{.Name}}", "/x-input-one", "/x-input-two")),
        "hostname": Plain("one", "two", ("{{.Config.Hostname}}", "one", "two")),
        "domainname": Plain("one.test", "two.test", ("{{.Config.Domainname}}", "one.test", "two.test")),
        "dns": Plain(["192.0.2.1"], ["192.0.2.2"], ("{{json .HostConfig.Dns}}", '["192.0.2.1"]', '["192.0.2.2"]')),
        "dns_opt": Plain(["ndots:1"], ["ndots:2"], ("{{json .HostConfig.DnsOptions}}", '["ndots:1"]', '["ndots:2"]')),
        "dns_search": Plain(
            ["one.test"], ["two.test"], ("{{json .HostConfig.DnsSearch}}", '["one.test"]', '["two.test"]')
        ),
        "extra_hosts": Plain(
            {"x": "192.0.2.1"},
            {"x": "192.0.2.2"},
            ("{{json .HostConfig.ExtraHosts}}", '["x:192.0.2.1"]', '["x:192.0.2.2"]'),
        ),
        "labels": Plain({"x": "one"}, {"x": "two"}, ("{{.Config.Labels.x}}", "one", "two")),
        "annotations": Plain({"x": "one"}, {"x": "two"}, ("{{.HostConfig.Annotations.x}}", "one", "two")),
        "expose": Plain(
            ["83/tcp"],
            ["84/tcp"],
            (
                "{{range $port, $_ := .Config.ExposedPorts}}{{$port}} {{end}}",
                "6379/tcp 81/tcp 83/tcp ",
                "6379/tcp 81/tcp 84/tcp ",
            ),
        ),
        "ports": Plain(
            ["127.0.0.1:18081:81"],
            ["127.0.0.1:18082:81"],
            ("{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}}{{end}}{{end}}", "18081", "18082"),
        ),
    },
    "plain_limits": {
        "mem_limit": Plain("64m", "96m", ("{{.HostConfig.Memory}}", "67108864", "100663296")),
        "mem_reservation": Plain("32m", "48m", ("{{.HostConfig.MemoryReservation}}", "33554432", "50331648")),
        "cpu_shares": Plain(512, 256, ("{{.HostConfig.CpuShares}}", "512", "256")),
        "cpuset": Plain("0", "0-1", ("{{.HostConfig.CpusetCpus}}", "0", "0-1")),
        "pids_limit": Plain(50, 60, ("{{.HostConfig.PidsLimit}}", "50", "60")),
        "oom_score_adj": Plain(100, 200, ("{{.HostConfig.OomScoreAdj}}", "100", "200")),
        "shm_size": Plain("16m", "32m", ("{{.HostConfig.ShmSize}}", "16777216", "33554432")),
        "tmpfs": Plain(["/one"], ["/two"], ("{{json .HostConfig.Tmpfs}}", '{"/one":""}', '{"/two":""}')),
        "ulimits": Plain({"nofile": 100}, {"nofile": 200}, ("{{(index .HostConfig.Ulimits 0).Soft}}", "100", "200")),
        "sysctls": Plain(
            {"net.core.somaxconn": "100"},
            {"net.core.somaxconn": "200"},
            ('{{index .HostConfig.Sysctls "net.core.somaxconn"}}', "100", "200"),
        ),
    },
    "plain_rights": {
        "cap_add": Plain(
            ["CAP_SYS_NICE"],
            ["CAP_NET_ADMIN"],
            ("{{json .HostConfig.CapAdd}}", '["CAP_SYS_NICE"]', '["CAP_NET_ADMIN"]'),
        ),
        "cap_drop": Plain(
            ["CAP_CHOWN"], ["CAP_KILL"], ("{{json .HostConfig.CapDrop}}", '["CAP_CHOWN"]', '["CAP_KILL"]')
        ),
        "read_only": Plain(True, False, ("{{.HostConfig.ReadonlyRootfs}}", "true", "false")),
        "security_opt": Plain(
            ["no-new-privileges:true"],
            ["no-new-privileges:false"],
            ("{{json .HostConfig.SecurityOpt}}", '["no-new-privileges:true"]', '["no-new-privileges:false"]'),
        ),
        "devices": Plain(
            ["/dev/null:/dev/one"],
            ["/dev/null:/dev/two"],
            ("{{(index .HostConfig.Devices 0).PathInContainer}}", "/dev/one", "/dev/two"),
        ),
    },
    # What a machine may be unable to run; compose's hash is looked at alone.
    "": {
        "blkio_config": Plain({"weight": 100}, {"weight": 200}),
        "cgroup": Plain("private", "host"),
        "cgroup_parent": Plain("/one", "/two"),
        "cpu_count": Plain(1, 2),
        "cpu_percent": Plain(10, 20),
        "cpu_period": Plain(10000, 20000),
        "cpu_quota": Plain(5000, 6000),
        "cpu_rt_period": Plain(10000, 20000),
        "cpu_rt_runtime": Plain(5000, 6000),
        "cpus": Plain(0.5, 0.6),
        "credential_spec": Plain({"file": "one.json"}, {"file": "two.json"}),
        "device_cgroup_rules": Plain(["c 1:3 r"], ["c 1:3 mr"]),
        "external_links": Plain(["one"], ["two"]),
        "gpus": Plain([{"count": 1}], [{"count": 2}]),
        "init": Plain(False, True),
        "isolation": Plain("default", "process"),
        "links": Plain(["depends_on:one"], ["depends_on:two"]),
        "mac_address": Plain("02:42:ac:11:00:01", "02:42:ac:11:00:02"),
        "mem_swappiness": Plain(10, 20),
        "memswap_limit": Plain("1g", "2g"),
        "oom_kill_disable": Plain(True, False),
        "platform": Plain("linux/amd64", "linux/arm64"),
        "privileged": Plain(True, False),
        "runtime": Plain("one", "two"),
        "storage_opt": Plain({"size": "1G"}, {"size": "2G"}),
        "use_api_socket": Plain(True, False, since=(2, 37)),
        "userns_mode": Plain("host", "private"),
        "uts": Plain("host", ""),
    },
}

#: What compose's schema has and what is no input of a container, and why.
NO_INPUT = {
    "service.attach": "what `up` shows of its log",
    "service.build": "images are pulled, never built by a deploy: named before anything is touched",
    "service.develop": "for `watch` at a developer's machine",
    "service.models": "needs Docker's model runner, which no server has",
    "service.post_start": "run by compose in a container that is there",
    "service.pre_start": "run by compose before a container starts, in one of its own",
    "service.pre_stop": "run by compose in a container that is there",
    "service.provider": "no container: a program of the machine's is run instead",
    "service.pull_policy": "decides when an image is pulled; what is pulled is the image's digest",
    "service.pull_refresh_after": "decides when an image is pulled",
    "secret.name": "only of an external one",
    "secret.external": "Docker without Swarm has no external secrets; compose refuses them",
    "secret.labels": "for Swarm's store of secrets",
    "secret.driver": "for Swarm's store of secrets",
    "secret.driver_opts": "for Swarm's store of secrets",
    "secret.template_driver": "for Swarm's store of secrets",
    "config.name": "only of an external one",
    "config.external": "Docker without Swarm has no external configs; compose refuses them",
    "config.labels": "for Swarm's store of configs",
    "config.template_driver": "for Swarm's store of configs",
    "deployment.mode": "for Swarm",
    "deployment.endpoint_mode": "for Swarm",
    "deployment.labels": "for Swarm's service, not for its containers",
    "deployment.rollback_config": "for Swarm",
    "deployment.update_config": "for Swarm",
    "deployment.placement": "for Swarm",
}
#: Under `deploy`, and covered by compose's hash.
DEPLOYMENT = {
    "resources": Plain({"limits": {"memory": "64M"}}, {"limits": {"memory": "96M"}}),
    "restart_policy": Plain({"condition": "any"}, {"condition": "none"}),
}


def _grouped(service: str, keys: Mapping[str, Plain]) -> Input:
    """Plain keys as one input."""
    templates = [plain.seen[0] for plain in keys.values() if plain.seen]
    new, changed = ("\n".join(plain.seen[state] for plain in keys.values() if plain.seen) for state in (1, 2))
    return Input(
        service, tuple(f"service.{key}" for key in keys), Part({key: plain.new for key, plain in keys.items()}),
        Part({key: plain.changed for key, plain in keys.items()}), _inspect("{{println}}".join(templates)), (None, new, changed),
        typical=service == "plain_names",
    )  # fmt: skip


ALL = (*INPUTS, *(_grouped(service, keys) for service, keys in PLAIN.items() if service))


def states_of(inputs: Iterable[Input], state: int) -> dict[str, int]:
    """All of them in one state, by name."""
    return dict.fromkeys((one.name for one in inputs), state)


def compose_file(
    inputs: Iterable[Input], states: Mapping[str, int], more: Mapping[str, Json] = MappingProxyType({})
) -> Json:
    """The main compose file; `more` are services besides."""
    content: Json = {"services": dict(more)}
    for one in inputs:
        part = one.part(states[one.name])
        if not part.elsewhere:
            service = {**IDLE, **part.service}
            content["services"][one.name] = {key: value for key, value in service.items() if value is not None}
        content["services"].update(part.services)
        for section, entries in part.top.items():
            if isinstance(entries, list):
                content.setdefault(section, []).extend(entries)
            else:
                content.setdefault(section, {}).update(entries)
    return content


def write_app(
    folder: Path, inputs: Iterable[Input], states: Mapping[str, int], more: Mapping[str, Json] = MappingProxyType({})
) -> None:
    """Make this folder the app with its inputs in these states; it may be another app's before."""
    inputs = tuple(inputs)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    parts = [one.part(states[one.name]) for one in inputs]
    files = {COMPOSE_FILE: json.dumps(compose_file(inputs, states, more), indent=1), ".gitignore": "/.env\n/data/\n"}
    # Each with a value: what is not in Parameter Store is taken from here.
    settings = {"MODE": "a", **{key: value for part in parts for key, value in part.settings.items()}}
    files[CONTRACT] = "".join(f"{key}={value}\n" for key, value in settings.items())
    for part in parts:
        files.update(part.files)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for part in parts:
        for path in part.executable:
            (folder / path).chmod(0o755)
        for path, target in part.links.items():
            (folder / path).symlink_to(target)


def services_of(one: Input) -> set[str]:
    """The services that an input is made of."""
    return {one.name}.union(*(one.part(state).services for state in (WITHOUT, NEW, CHANGED)))


def affected(inputs: Iterable[Input], old: Mapping[str, int], new: Mapping[str, int]) -> tuple[set[str], set[str]]:
    """The services whose containers must be others when the inputs go from one state to another, and those that may stay."""
    inputs = tuple(inputs)
    moved = [one for one in inputs if old[one.name] != new[one.name]]
    free = {one.name for one in moved if {old[one.name], new[one.name]} == one.alike}
    found: set[str] = set().union(*(services_of(one) for one in moved))
    if any(one.part(old[one.name]).settings != one.part(new[one.name]).settings for one in moved):
        found |= {one.name for one in inputs if one.name in WHOLE_ENV_FILE and new[one.name] != WITHOUT}
    return found - free, free
