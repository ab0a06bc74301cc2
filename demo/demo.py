"""`make demo`: bring up the appliance, do the main job as a person would, stay up.

The job goes through the public REST API with tokens of the demo's people: an administrator
connects two accounts, an operator discovers what is there and takes recovery points, the records
tell the story, and a client that is none of ours counts what was really made. The cloud is a
simulator that speaks AWS's protocol on loopback; with ``--cloud aws`` it is an account of yours.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.client import running, write_aws_config
from cloud.seed import seed
from job import Job, real_account, simulated_accounts
from mavis_core import config
from mavis_core.config import Config
from mavis_core.errors import MavisError as PlatformError
from mavis_kernel.errors import MavisError as ClientError

MAVISCTL = Path(sys.executable).with_name("mavisctl")


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="stop after the job")
    parser.add_argument("--cloud", choices=["simulator", "aws"], default="simulator")
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nothing of this machine's own cloud settings gets in
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    try:
        settings = config.load()
        if arguments.cloud == "aws":
            job = real_account()
            with appliance(settings):
                return carry_out(job, settings, begin, once=arguments.once)
        say("Starting a cloud simulator ...")
        with running() as simulator:
            world = seed(simulator.url)
            with appliance(settings):
                lead_to(settings, simulator.url)
                job = simulated_accounts(world)
                return carry_out(job, settings, begin, once=arguments.once)
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except (PlatformError, ClientError) as exc:
        say(f"{exc}\n  {getattr(exc, 'mend', '') or ''}")
        return 1
    except subprocess.CalledProcessError:
        return 1  # mavisctl has said what and why


@contextmanager
def appliance(settings: Config) -> Iterator[None]:
    """Run the appliance with the demo's people, and stop it at the end."""
    subprocess.run([MAVISCTL, "up", "--demo"], check=True, env=environment(settings))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C leaves nothing behind
        subprocess.run([MAVISCTL, "down"], check=False, env=environment(settings))


def environment(settings: Config) -> dict[str, str]:
    """Return the environment of `mavisctl`."""
    return {**os.environ, "MAVIS_HOME": str(settings.home)}


def lead_to(settings: Config, url: str) -> None:
    """Let the platform worker's AWS configuration lead to the simulator."""
    path = write_aws_config(settings.aws_config_file, url)
    folder = path.parent.stat()
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, folder.st_uid, folder.st_gid)


def carry_out(job: Job, settings: Config, begin: float, *, once: bool) -> int:
    """Do the job, show its result, and wait for Ctrl-C unless told not to."""
    people = json.loads(settings.secret_file("hub", "demo-people").read_text(encoding="utf-8"))
    good = job.run(settings, people, say)
    say(f"\n{'Done' if good else 'FAILED'} after {time.monotonic() - begin:.0f} s.")
    if once or not good:
        return 0 if good else 1
    say(f"\nOpen {settings.public_url} and log in:")
    for name, password in people.items():
        say(f"  {name:16}{password}")
    say("\nThe start page leads on; `Open JupyterLab` is for all but the end user.")
    say("Ctrl-C stops everything.")
    signal.pause()
    return 0


def say(text: str) -> None:
    """Tell the reader."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
