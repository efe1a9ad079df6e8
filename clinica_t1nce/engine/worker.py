"""The process that runs one node for :class:`~clinica_t1nce.engine.local_plugin.LocalPlugin`."""

import _thread
import json
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType

from clinica_t1nce.engine.local_plugin import NODE_FILE, RESULT_FILE

SECONDS_TO_TIDY_UP = 2.0


def main(folder: Path) -> None:
    """Run the node pickled in a folder, and leave the result there.

    Parameters
    ----------
    folder
        Made by the plug-in. A traceback, or null, is left in ``result.json``.
    """
    # Ctrl-C reaches the whole group of processes; the one in front decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    trace = None
    try:
        node, updatehash = pickle.loads((folder / NODE_FILE).read_bytes())
        node.run(updatehash=updatehash)
    except Exception:
        trace = traceback.format_exc().splitlines(keepends=True)
    part = folder / f"{RESULT_FILE}.part"
    part.write_text(json.dumps({"traceback": trace}), encoding="utf-8")
    part.replace(folder / RESULT_FILE)


def _end_with_parent() -> None:
    """Wait for the end of standard input, which is when the parent ends or lets go of us."""
    # Not `sys.stdin`: its lock, held while waiting, would break the end of the interpreter.
    while os.read(0, 1):
        pass
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(SECONDS_TO_TIDY_UP)
    os._exit(128 + signal.SIGTERM)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
