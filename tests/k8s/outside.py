"""What `tests/k8s/run` asks before it enters the namespaces, and does after it has left them."""

import argparse
import contextlib
import pathlib
import shutil

from .cluster import forbidden, fresh_folder, hierarchies, remove_cgroup, sweep

options = argparse.ArgumentParser(prog="k8s.outside")
options.add_argument("--folder", action="store_true", help="prints a new folder for a run")
options.add_argument("--remove", type=pathlib.Path, help="removes what a run in that folder has left")
given = options.parse_args()
if given.remove:
    for tree in hierarchies(all=True):
        remove_cgroup(tree / given.remove.name)
    with contextlib.suppress(OSError):
        shutil.rmtree(given.remove)
elif given.folder:
    sweep()
    print(fresh_folder())
else:
    print(forbidden())
