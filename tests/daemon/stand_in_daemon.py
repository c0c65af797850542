"""The real daemon with stand-in workers.

Usage: stand_in_daemon.py RUNS BEHAVIOUR[,BEHAVIOUR...] VOICE_BEHAVIOUR[,VOICE_BEHAVIOUR...] [--once]
"""

from __future__ import annotations

import sys
from pathlib import Path

from daemon import logs, service
from daemon.errors import ServiceError
from daemon.settings import load_settings

HERE = Path(__file__).parent


def main() -> int:
    settings = load_settings().settings
    logs.configure(settings.log)
    runs, jobs, voice = sys.argv[1:4]
    commands = service.Commands(
        job_worker=(sys.executable, str(HERE / "stand_in_worker.py"), runs, jobs),
        voice_worker=(sys.executable, str(HERE / "stand_in_voice.py"), f"{runs}-voice", voice),
    )
    try:
        return service.run(settings, once="--once" in sys.argv, commands=commands)
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
