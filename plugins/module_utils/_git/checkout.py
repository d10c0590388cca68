"""Bringing a folder to a commit in place, from whatever state a killed run or an operator left it in.

`git reset --hard` is not used: it removes and makes anew a folder whose files were all renamed, and, once the index is
lost, every file, so that bind mounts would stay on the old ones (measured with git 2.39). Here git writes just the
files whose content differs, and only then the files that went are removed, so a folder that both commits have stays.

A file that changes gets a new inode, on purpose: a container that mounts the single file keeps the old content until it
is started anew, and a script that is running is not changed under its interpreter.

`synchronise` is the module's and may use the network. The functions below it work with what the clone has.
"""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import typing as t

from ansible_collections.popcon.deploy.plugins.module_utils._common.errors import DeployError
from ansible_collections.popcon.deploy.plugins.module_utils._git.clone import (
    STAGED,
    TARGET,
    State,
    complete,
    holds,
    inspect,
    install,
    keep_only,
    locked,
    origin,
    repair,
    resolve,
    scratch,
    trusted,
    write_file,
)
from ansible_collections.popcon.deploy.plugins.module_utils._git.command import (
    Git,
    GitFailure,
    find_ref,
    is_commit,
    parse_refs,
    private_git,
)

# For one local command; the longest are to read and write a large work tree.
LOCAL_SECONDS = 300

_INDEX = "popcon-index"
_WANTED = "refs/popcon/wanted"
_EDITS = "refs/popcon/local-edits"
_FETCHED = ("refs/popcon/heads", "refs/popcon/tags")
_SUBMODULE = "160000"

Tree = dict[str, "tuple[str, str]"]


@dataclasses.dataclass(frozen=True)
class FileChanges:
    """What has to happen to the work tree; names are relative to it."""

    after: str
    write: list[str]
    delete: list[str]
    edits: list[str]

    @property
    def changed(self) -> list[str]:
        """Every file that will be written or removed."""
        return sorted({*self.write, *self.delete})


@dataclasses.dataclass(frozen=True)
class Checkout:
    """What a folder has of a repository.

    `commit` is the one that is checked out, None where the folder is no whole clone. `edits` are the tracked files that are not
    as it has them. `interrupted` says that a checkout of another commit was stopped half-way.
    """

    commit: str | None = None
    edits: t.Sequence[str] = ()
    interrupted: bool = False


def synchronise(git: Git, ref: str, dest: str, preview: str, check: bool, stage: bool = False) -> dict[str, t.Any]:
    """Bring `dest` to `ref` and return the module's result.

    `preview` is the folder that takes the wanted files in `check` mode. With `stage`, a checkout whose files would change
    only gets the commit. Errors: DeployError.
    """
    with _in_words(dest, f"could not be brought to {ref} of {git.url}"), _updating(git, dest) as stack:
        state = inspect(git, dest)
        try:
            return _synchronise(git, ref, dest, preview, check, stage, state, stack)
        except GitFailure as failure:
            if state.kind != "checkout":
                raise
            # What looked whole is not: do without all that is in .git, once.
            state = dataclasses.replace(state, kind="broken", reason=str(failure))
            return _synchronise(git, ref, dest, preview, check, stage, state, stack)


def switch(dest: str, commit: str) -> dict[str, t.Any]:
    """Bring the clone `dest` to the commit, given in full, and return what `synchronise` returns.

    Stopped anywhere, the next call completes it. Errors: DeployError; nothing was changed if `has` says no.
    """
    with _opened_to_update(dest, f"could not be brought to {commit}") as (git, git_dir):
        state = _ready(git, dest, commit)
        recovered = repair(git, git_dir, False)
        plan, index = _plan(git, git_dir, git_dir, dest, state, commit)
        result = _result(dest, state, plan, recovered)
        _bring(git, git_dir, git_dir, dest, commit, state, plan, index, result)
        return result


def look(dest: str) -> Checkout:
    """See what `dest` has checked out, without changing or waiting for anything. Errors: DeployError."""
    git_dir = os.path.join(dest, ".git")
    with _in_words(dest, "could not be read"), private_git("", LOCAL_SECONDS) as git:
        state = inspect(git, dest)
        if state.kind != "checkout":
            return Checkout()
        # A look must not write the index, which a deploy may be using.
        listing = git.run(
            "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules",
            git_dir=git_dir, work_tree=dest,
        )  # fmt: skip
        edits = tuple(entry[len("XY ") :] for entry in _names(listing))
        return Checkout(state.before, edits, bool(state.target))


def head(dest: str) -> str | None:
    """The commit that is checked out in `dest`, or None if that is no clone. Errors: DeployError."""
    with _opened(dest, "could not be read") as (git, _git_dir):
        return inspect(git, dest).before


def has(dest: str, commit: str) -> bool:
    """Whether `dest` is a whole clone that has the commit, given in full, with all its files. Errors: DeployError."""
    with _opened(dest, "could not be read") as (git, git_dir):
        return inspect(git, dest).kind == "checkout" and holds(git, git_dir, commit)


def export(dest: str, commit: str, folder: str) -> None:
    """Make `folder` anew, for its owner only, with the files of the commit, given in full. Errors: DeployError.

    Changes nothing in the clone `dest`, and waits for nobody.
    """
    with _opened(dest, f"could not give the files of {commit}") as (git, git_dir):
        _ready(git, dest, commit)
        _export(git, scratch(git, os.path.join(git_dir, "objects")), commit, folder)


def tracked(dest: str, commit: str) -> dict[str, str]:
    """The files of a commit, given in full, that the clone `dest` has: mode and id by name. Errors: DeployError."""
    with _opened(dest, f"could not give the files of {commit}") as (git, git_dir):
        return {path: " ".join(entry) for path, entry in _tree(git, git_dir, commit).items()}


def keep(dest: str, commits: t.Iterable[str]) -> None:
    """Keep these commits, given in full, in the clone for good, and no longer those of an earlier call.

    One that the clone doesn't have is passed over. Errors: DeployError.
    """
    with _opened_to_update(dest, "could not be told which commits to keep") as (git, git_dir):
        _ready(git, dest, None)
        keep_only(git, git_dir, commits)


@contextlib.contextmanager
def _opened(dest: str, problem: str) -> t.Iterator[tuple[Git, str]]:
    """The host's git for the clone in `dest`, and its .git."""
    git_dir = os.path.join(dest, ".git")
    with _in_words(dest, problem), private_git("", LOCAL_SECONDS) as git:
        git.url = origin(git, git_dir)
        yield git, git_dir


@contextlib.contextmanager
def _opened_to_update(dest: str, problem: str) -> t.Iterator[tuple[Git, str]]:
    """The same, with the lock on the clone held."""
    with _opened(dest, problem) as opened, _updating(opened[0], dest):
        yield opened


@contextlib.contextmanager
def _in_words(dest: str, problem: str) -> t.Iterator[None]:
    try:
        yield
    except GitFailure as failure:
        raise DeployError(f"{dest} {problem}: {failure}.") from None
    except OSError as error:
        raise DeployError(f"{dest} {problem}: {error.filename or dest}: {error.strerror}.") from None


@contextlib.contextmanager
def _updating(git: Git, dest: str) -> t.Iterator[contextlib.ExitStack]:
    """Hold the lock on `dest`, if it is there, and write for containers that run as other users, whatever the umask."""
    with contextlib.ExitStack() as stack:
        stack.callback(os.umask, os.umask(0o022))
        if os.path.isdir(dest):
            stack.enter_context(locked(git, dest))
        yield stack


def _ready(git: Git, dest: str, commit: str | None) -> State:
    """The state of `dest`. Errors: DeployError unless it is a whole clone that has the commit, if one is given."""
    state = inspect(git, dest)
    if state.kind != "checkout":
        reason = f" ({state.reason})" if state.reason else ""
        raise DeployError(f"There is no whole clone at {dest}{reason}: run a deploy, which makes one.")
    if commit is not None and not holds(git, os.path.join(dest, ".git"), commit):
        raise DeployError(
            f"The commit {commit} is not in the clone at {dest}: deploy it from the repository, which fetches it."
        )
    return state


def _synchronise(
    git: Git,
    ref: str,
    dest: str,
    preview: str,
    check: bool,
    stage: bool,
    state: State,
    stack: contextlib.ExitStack,
) -> dict[str, t.Any]:
    git_dir = os.path.join(dest, ".git")
    own_git_dir = state.kind == "checkout" and not check
    recovered = [f"the clone was broken ({state.reason}): .git is made anew"] if state.kind == "broken" else []

    wanted: str | None
    if state.kind == "checkout" and is_commit(ref) and ref in trusted(git, git_dir) and complete(git, git_dir, ref):
        wanted, name = ref, None
    else:
        wanted, name = _wanted(git, ref)
    if state.kind == "checkout":
        recovered += repair(git, git_dir, check)
    if own_git_dir:
        objects = git_dir
    else:
        objects = scratch(git, os.path.join(git_dir, "objects") if state.kind == "checkout" else None)
    if wanted is None or not complete(git, objects, wanted):
        wanted = _fetch(git, objects, ref, name)

    plan, index = _plan(git, objects, git_dir, dest, state, wanted)
    result = _result(dest, state, plan, recovered)
    if check:
        if plan.changed:
            _export(git, objects, plan.after, preview)
            result["tree"] = preview
        return result

    shutil.rmtree(preview, ignore_errors=True)
    if stage and own_git_dir and plan.changed:
        os.unlink(index)
        git.run("update-ref", STAGED, plan.after, git_dir=git_dir)
        return {**result, "tree": None}
    if state.kind == "absent":
        _make_folder(git, dest, stack)
    _bring(git, objects, git_dir, dest, ref, state, plan, index, result)
    return result


def _result(dest: str, state: State, plan: FileChanges, recovered: list[str]) -> dict[str, t.Any]:
    if state.target:
        recovered = [*recovered, f"an earlier run was stopped on its way to {state.target}"]
    return {
        "before": state.before,
        "after": plan.after,
        "changed": bool(plan.changed or recovered or state.before != plan.after),
        "changed_files": plan.changed,
        "local_edits": plan.edits,
        "local_edits_commit": None,
        "recovered": recovered,
        "tree": dest,
    }


def _bring(
    git: Git,
    objects: str,
    git_dir: str,
    dest: str,
    ref: str,
    state: State,
    plan: FileChanges,
    index: str,
    result: dict[str, t.Any],
) -> None:
    """Do what `plan` says, and what makes the clone in `objects` that of `dest`; completes `result`."""
    if plan.edits:
        base = state.before if complete(git, objects, state.before) else None
        result["local_edits_commit"] = _keep_edits(git, objects, dest, base, plan.after)
    if objects != git_dir:
        index = install(objects, git_dir, index)
    if result["changed"]:
        _apply(git, git_dir, dest, plan, index, ref)
    else:
        os.unlink(index)


def _wanted(git: Git, ref: str) -> tuple[str | None, str | None]:
    """The commit and the full name that `ref` has on the remote; the commit is None where only fetching can tell."""
    refs = parse_refs(git.remote("ls-remote", "--heads", "--tags", git.url))
    if is_commit(ref):
        return None, None
    name = find_ref(ref, refs, git.url)
    return (refs[name], name) if name else (None, None)


def _fetch(git: Git, git_dir: str, ref: str, name: str | None) -> str:
    """Fetch the ref `name`, or all of them to look for the commit `ref`; returns the commit."""
    shallow = ["--unshallow"] if os.path.exists(os.path.join(git_dir, "shallow")) else []
    fetch = ("fetch", "--quiet", "--no-tags", "--force", *shallow)
    if name:
        git.remote(*fetch, git.url, f"+{name}:{_WANTED}", git_dir=git_dir)
        found = resolve(git, git_dir, _WANTED)
        if found is None or not complete(git, git_dir, found):
            raise GitFailure("fetch", "the commit is incomplete")
        return found
    heads, tags = (f"+{name.replace('popcon/', '')}/*:{name}/*" for name in _FETCHED)
    git.remote(*fetch, "--prune", git.url, heads, tags, git_dir=git_dir)
    # GitHub hands out any commit of any fork by its id: only what a branch or tag holds is this repository's own.
    candidates = git.run("rev-parse", f"--disambiguate={ref}", git_dir=git_dir).decode().split()
    commits = [
        candidate
        for candidate in candidates
        if git.run("cat-file", "-t", candidate, git_dir=git_dir).strip() == b"commit"
        and git.run("for-each-ref", "--count=1", f"--contains={candidate}", *_FETCHED, git_dir=git_dir)
    ]
    if len(commits) > 1:
        raise DeployError(f"{ref} is the beginning of {len(commits)} commits of {git.url}: give more digits.")
    if not commits:
        raise DeployError(f"No branch or tag of {git.url} holds the commit {ref}: push it first, or correct it.")
    return commits[0]


def _plan(git: Git, objects: str, git_dir: str, dest: str, state: State, after: str) -> tuple[FileChanges, str]:
    """Compare the work tree with `after` and with what was there before; returns also the index file of `after`.

    Errors: DeployError when files that were never part of the repository stand where files must go.
    """
    work_tree = dest if os.path.isdir(dest) else git.home
    wanted = _tree(git, objects, after)
    recorded = _tree(git, objects, state.before)
    stopped = _tree(git, objects, state.target)
    known = bool(recorded)
    if state.kind == "broken" and not known:
        recorded = _index_entries(git, objects, os.path.join(git_dir, "index"))
    index = os.path.join(objects, _INDEX)
    edits: set[str] = set()
    if state.before and known:
        # What the stopped run was to write is not an operator's doing.
        edits = {
            path
            for path in _differing(git, objects, work_tree, state.before, index)
            if not stopped or recorded.get(path) == stopped.get(path)
        }
    write = _differing(git, objects, work_tree, after, index)
    ours = {*recorded, *stopped}
    if state.kind == "broken" and not known:
        edits = {path for path in write if path not in stopped and os.path.lexists(os.path.join(dest, path))}
    _refuse_obstacles(dest, write, wanted, ours, state.kind == "broken")
    delete = sorted(path for path in ours - set(wanted) if _is_file_inside(dest, path))
    return FileChanges(after, write, delete, sorted(edits)), index


def _differing(git: Git, git_dir: str, work_tree: str, commit: str, index: str) -> list[str]:
    """Names of the commit's files that the work tree lacks or has otherwise, by content, not by time stamps."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(index)
    run = functools.partial(git.run, git_dir=git_dir, work_tree=work_tree, index=index)
    run("read-tree", commit)
    run("update-index", "-q", "--refresh", ok=(0, 1))
    return _names(run("diff-files", "--name-only", "-z", "--ignore-submodules"))


def _refuse_obstacles(dest: str, write: list[str], wanted: Tree, ours: set[str], overwrite: bool) -> None:
    """Refuse to write over what is not `ours`; with `overwrite`, only where a whole folder would go."""
    found: set[str] = set()
    for path in write:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            full = os.path.join(dest, parent)
            if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
                if parent not in ours and not overwrite:
                    found.add(parent)
                break
        else:
            full = os.path.join(dest, path)
            if os.path.isdir(full) and not os.path.islink(full):
                if wanted[path][0] != _SUBMODULE:
                    found.update(set(_files_below(dest, path)) - ours)
            elif os.path.lexists(full) and path not in ours and not overwrite:
                found.add(path)
    if found:
        shown = ", ".join(displayed(sorted(found))[:10])
        raise DeployError(
            f"{dest} holds files that are not from the repository, where the wanted commit has others: {shown}. "
            "Nothing was changed. Move them away, or take them out of the repository, then run again."
        )


def _files_below(dest: str, folder: str) -> t.Iterator[str]:
    for at, folders, names in os.walk(os.path.join(dest, folder)):
        links = [name for name in folders if os.path.islink(os.path.join(at, name))]
        yield from (os.path.relpath(os.path.join(at, name), dest) for name in (*names, *links))


def _apply(git: Git, git_dir: str, dest: str, plan: FileChanges, index: str, ref: str) -> None:
    """Write, then remove, then record. Stopped anywhere, the next run finds the target and goes on."""
    marker = os.path.join(git_dir, TARGET)
    write_file(marker, f"{plan.after}\n")
    names = b"".join(os.fsencode(path) + b"\0" for path in plan.write)
    git.run(
        "checkout-index", "-f", "-u", "-q", "-z", "--stdin", git_dir=git_dir, work_tree=dest, index=index, stdin=names
    )
    for path in plan.delete:
        # Looked at again, since a folder may stand where the file was, or a file where its folder was.
        if _is_file_inside(dest, path):
            os.unlink(os.path.join(dest, path))
            with contextlib.suppress(OSError):
                os.removedirs(os.path.dirname(os.path.join(dest, path)))
    os.replace(index, os.path.join(git_dir, "index"))
    git.run("update-ref", "--no-deref", "-m", f"popcon.deploy: {ref}", "HEAD", plan.after, git_dir=git_dir)
    os.unlink(marker)
    with contextlib.suppress(GitFailure):
        git.run("-c", "gc.auto=2000", "gc", "--auto", "--quiet", git_dir=git_dir)


def _keep_edits(git: Git, git_dir: str, dest: str, base: str | None, after: str) -> str:
    """Put the edited files into a commit on `base`, so that nothing an operator did is lost; returns its id."""
    index = os.path.join(git_dir, f"{_INDEX}-edits")
    git.run("read-tree", base or after, git_dir=git_dir, index=index)
    git.run("add", "-u", git_dir=git_dir, work_tree=dest, index=index)
    tree = git.run("write-tree", git_dir=git_dir, index=index).decode().strip()
    os.unlink(index)
    parents = ["-p", base] if base else []
    message = "Local edits that a deploy overwrote"
    commit = git.run("commit-tree", *parents, "-m", message, tree, git_dir=git_dir).decode().strip()
    git.run("update-ref", "-m", message, _EDITS, commit, git_dir=git_dir)
    return commit


def _export(git: Git, git_dir: str, commit: str, preview: str) -> None:
    """Make `preview` anew, for its owner only, with the files of the commit."""
    shutil.rmtree(preview, ignore_errors=True)
    os.makedirs(preview, mode=0o700)
    run = functools.partial(git.run, git_dir=git_dir, work_tree=preview, index=os.path.join(git.home, _INDEX))
    run("read-tree", commit)
    run("checkout-index", "-a", "-f", "-q")


def _make_folder(git: Git, dest: str, stack: contextlib.ExitStack) -> None:
    """Make `dest` and lock it. Errors: DeployError when another run was quicker."""
    there = os.path.isdir(dest)
    os.makedirs(dest, exist_ok=True)
    if not there:
        os.chmod(dest, 0o755)
        stack.enter_context(locked(git, dest))
    if os.listdir(dest):
        raise DeployError(f"Another run has filled {dest} in the meantime: run again.")


def _tree(git: Git, git_dir: str, commit: str | None) -> Tree:
    if commit is None or not complete(git, git_dir, commit):
        return {}
    return _entries(git.run("ls-tree", "-r", "-z", "--full-tree", commit, git_dir=git_dir), 2)


def _index_entries(git: Git, git_dir: str, index: str) -> Tree:
    if not os.path.isfile(index):
        return {}
    try:
        return _entries(git.run("ls-files", "-s", "-z", git_dir=git_dir, index=index), 1)
    except GitFailure:
        return {}


def _entries(listing: bytes, object_field: int) -> Tree:
    found: Tree = {}
    for line in filter(None, listing.split(b"\0")):
        about, _tab, path = line.partition(b"\t")
        fields = about.decode().split()
        found[os.fsdecode(path)] = (fields[0], fields[object_field])
    return found


def _names(listing: bytes) -> list[str]:
    return sorted(os.fsdecode(name) for name in listing.split(b"\0") if name)


def displayed(paths: t.Iterable[str]) -> list[str]:
    """Names as text that any encoder takes."""
    return [os.fsencode(path).decode("utf-8", "replace") for path in paths]


def _is_file_inside(dest: str, path: str) -> bool:
    """Whether the path is a file or a symbolic link that is reached through no symbolic link."""
    full = os.path.join(os.path.realpath(dest), path)
    folder = os.path.dirname(full)
    return (
        os.path.realpath(folder) == folder
        and os.path.lexists(full)
        and (os.path.islink(full) or not os.path.isdir(full))
    )
