"""The program `tacit`: runs a command, and tells every failure in plain words and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError

from tacit.commands import app
from tacit.errors import TacitError, UsageError, out_of_memory
from tacit.heap import hold
from tacit.processors import allotted, bound


def main(arguments: Sequence[str] | None = None) -> None:
    """The program `tacit`: runs a command, and ends the process with the exit code of the design."""
    # threads that spin while they wait make a busy machine many times slower; read when torch is imported
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if allotted() < bound():  # torch looks at the processors it is bound to, and not at a container's limit
        os.environ.setdefault("OMP_NUM_THREADS", str(allotted()))
    hold()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    sys.exit(run([word for word in given if word != "--debug"], debug=debug))


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run a command; returns the exit code. Failures that are the user's to mend are told in plain words."""
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _fail(str(error).strip() + _hint(arguments), UsageError.exit_code, debug=debug)
    except TacitError as error:
        return _fail(str(error), error.exit_code, debug=debug)
    except KeyboardInterrupt:
        return _fail("interrupted", 130, debug=debug)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone, and the interpreter would complain while it ends
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 1, debug=debug)
    except Exception as error:
        if out_of_memory(error):
            return _fail("out of memory: try a smaller --batch", 1, debug=debug)
        text = f"this is a bug in tacit: {type(error).__name__}: {error}\nrun it again with --debug for the details"
        return _fail(text, 1, debug=debug)
    return 0


def _fail(text: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"tacit: {text}\n" if code < 128 else f"\ntacit: {text}\n")
    return code


def _hint(arguments: Sequence[str]) -> str:
    """Where to read on, unless the first word is no command."""
    return f"\n`tacit {arguments[0]} --help` shows what it takes" if arguments and arguments[0] in app else ""
