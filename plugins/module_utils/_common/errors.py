"""The one exception of the collection's helpers, and the only way its text reaches `fail_json`."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import contextlib
import errno
import os
import traceback
import typing as t

T = t.TypeVar("T")


class DeployError(Exception):
    """Something an operator can act on, in a sentence that may be shown to anybody.

    From ansible-core 2.19 on, `no_log` no longer hides the text of a failure, so whoever raises this builds the text
    from fixed words, names, paths and error codes only: never from a value, a token, or what another program or service
    answered. Raise it with `from None` where the cause could hold such text. Only a module's `main()` turns it into
    `fail_json`.
    """


def attempt(work: t.Callable[..., T], *args: t.Any) -> tuple[T | None, str | None]:
    """Call `work(*args)` and return (its result, None), or (None, a sentence that may be shown).

    Of an exception nobody foresaw only the class and the place are told. `fail_json` is to be called after this
    returned, not in an `except` block: there ansible-core adds the traceback, with the exception's text, if tracebacks
    are switched on.
    """
    try:
        return work(*args), None
    except DeployError as exc:
        return None, str(exc)
    except Exception as exc:
        frame = traceback.extract_tb(exc.__traceback__)[-1]
        return None, (
            f"Unforeseen {type(exc).__name__} in {os.path.basename(frame.filename)}, line {frame.lineno}. "
            "Its text is withheld because it could hold a secret. This is a bug of popcon.deploy: please report it."
        )


class Problems:
    """What failed of a look that goes on all the same: `found` has the sentences, each once."""

    def __init__(self, found: t.Iterable[str] = ()) -> None:
        self.found = list(found)

    def tried(self, work: t.Callable[..., T], *args: t.Any) -> T | None:
        """The result of `work(*args)`, or None with its DeployError among the problems."""
        try:
            return work(*args)
        except DeployError as problem:
            if str(problem) not in self.found:
                self.found.append(str(problem))
            return None


@contextlib.contextmanager
def os_errors_in_words(verb: str, path: str) -> t.Iterator[None]:
    """Turn an OSError inside the block into a DeployError, `Cannot <verb> <path>: …`."""
    try:
        yield
    except OSError as exc:
        # What the kernel says to O_NOFOLLOW on a symbolic link.
        reason = "it is a symbolic link" if exc.errno == errno.ELOOP else os.strerror(exc.errno or 0)
        raise DeployError(f"Cannot {verb} {path}: {reason}.") from None


def conclude(module: t.Any, work: t.Callable[..., dict[str, t.Any]], *args: t.Any) -> None:
    """Leave a module with the result of `work(*args)`, or with the sentence that tells why there is none."""
    result, failure = attempt(work, *args)
    if result is None:
        module.fail_json(msg=failure)
    else:
        module.exit_json(**result)
