#!/usr/bin/env bash
# fsspec 2026.9.0: `exists` answers False for whatever is raised inside it, KeyboardInterrupt included. Lightning asks it after each
# checkpoint, so a Ctrl-C of that moment is lost and the training goes on; and the answer is wrong: the file is there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check fsspec==2026.9.0
cd "$work"
touch weights.ckpt
"$work/venv/bin/python" - <<'PY'
import os
import signal

import fsspec

disk = fsspec.filesystem("file")
stat = os.stat


def pressed(path, **options):  # Ctrl-C, as it arrives during the call
    signal.raise_signal(signal.SIGINT)
    return stat(path, **options)


quiet = disk.exists("weights.ckpt")
os.stat = pressed
try:
    answer = disk.exists("weights.ckpt")
except KeyboardInterrupt:
    answer = "KeyboardInterrupt"
os.stat = stat
print("fsspec", fsspec.__version__, "exists:", quiet, "with Ctrl-C during the call:", answer)
assert (quiet, answer) == (True, False)
PY
