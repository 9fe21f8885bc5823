"""What `tests/k8s/run` asks before it enters the namespaces, and does after it has left them."""

import argparse
import pathlib

from .cluster import forbidden, fresh_folder, remove, sweep

options = argparse.ArgumentParser(prog="k8s.outside")
options.add_argument("--folder", action="store_true", help="prints a new folder for a run")
options.add_argument("--remove", type=pathlib.Path, help="removes what a run in that folder has left")
given = options.parse_args()
if given.remove:
    remove(given.remove)
elif given.folder:
    sweep()
    print(fresh_folder())
else:
    print(forbidden())
