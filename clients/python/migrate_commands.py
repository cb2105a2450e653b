"""Imports by the built binary, and the answers of servers before and after."""

import json
import os
import signal
import subprocess
import time

from conftest import HERE, Server
from migrate_answers import Reader

BINARY = os.path.abspath(os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone")))


def runstone(*args, check: bool = True):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def bring(source, data, *flags) -> dict:
    return json.loads(runstone("import", "mlflow", source, "-d", data, "--json", *flags).stdout)


def answers(data) -> dict:
    server = Server(data, real=False)
    try:
        return Reader(server.url).all()
    finally:
        server.kill()


def differences(before: dict, after: dict) -> str:
    differ = [n for n in before | after if before.get(n) != after.get(n)]
    return "\n".join(f"{n}:\n  {before.get(n)}\n  {after.get(n)}"[:3000] for n in differ[:6])


def kill_on_the_way(command: list, waits) -> int:
    killed = 0
    for wait in waits:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    return killed
