"""Run first in every child process: make it die with the daemon, then become the real program.

Started by path with `-I -S`, so it may import nothing but the standard library. Usage:
launcher.py PARENT_PID OOM_SCORE PROGRAM ARGUMENT...
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the death signal and the out-of-memory score, and replace this process."""
    parent, oom_score = (int(argument) for argument in sys.argv[1:3])
    program = sys.argv[3:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the daemon died before the death signal was set
        sys.exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(oom_score))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
