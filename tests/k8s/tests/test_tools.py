"""What the test cluster is made with, as far as that needs no cluster."""

import hashlib
import json
import pathlib
import signal
import subprocess
import tarfile

import pytest

from conftest import REPO
from k8s import cluster, oci
from k8s.__main__ import play, table

BUILD = REPO / "tests/k8s/tools/build"


def test_an_image_is_what_its_index_says(tmp_path):
    layout = oci.layout(tmp_path / "image", {"/a/b": b"text", "/bin/sh": pathlib.Path("/bin/sh")}, User="65532:65532")
    blobs = {p.name: p.read_bytes() for p in (layout / "blobs/sha256").iterdir()}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    manifest = json.loads(blobs[oci.digest(layout).removeprefix("sha256:")])
    assert json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])["config"] == {"User": "65532:65532"}
    with tarfile.open(layout / "blobs/sha256" / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        assert layer.getnames() == ["a", "a/b", "bin", "bin/sh"]
        assert layer.getmember("bin/sh").mode & 0o111 and not layer.getmember("a/b").mode & 0o111
    oci.pack(layout, tmp_path / "image.tar", "docker.io/library/it:1")
    with tarfile.open(tmp_path / "image.tar") as packed:
        index = json.load(packed.extractfile("index.json"))
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "docker.io/library/it:1"}


def test_pause_ends_when_told_to(tmp_path):
    oci.pause(tmp_path / "pause")
    process = subprocess.Popen([tmp_path / "pause/pause"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in (0, -signal.SIGTERM)  # told before it had asked to be


def test_programs_are_given_what_they_load():
    assert {p.name for p in oci.libraries(pathlib.Path("/bin/sh"))} >= {"libc.so.6"}


def test_certificates_are_vouched_for(tmp_path):
    pki = cluster.Pki(tmp_path / "pki")
    pki.give("admin", "admin", "system:masters", names=["localhost", "127.0.0.1"])
    said = subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "pki/ca.crt", tmp_path / "pki/admin.crt"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "O = system:masters, CN = admin" in subprocess.run(["openssl", "x509", "-noout", "-subject", "-in", tmp_path / "pki/admin.crt"], capture_output=True, text=True, check=True).stdout
    assert not (tmp_path / "pki").stat().st_mode & 0o077


def test_with_a_go_too_old_nothing_is_built_and_the_reason_is_said(tmp_path):
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    done = subprocess.run([BUILD, "coredns"], env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OTTO_GO": str(old)}, capture_output=True, text=True)
    assert done.returncode == 3 and "or newer is needed" in done.stderr.splitlines()[-1]


def test_what_is_not_run_is_never_passed():
    row = play(None, 4, "there is no Go")
    assert row["verdict"] == "not run" and row["why"] == "there is no Go" and "not run" in table([row])


@pytest.mark.skipif(bool(cluster.forbidden()), reason="this machine allows no namespaces or cgroups")
def test_what_a_run_leaves_is_removed():
    folder = cluster.fresh_folder()
    trees = cluster.hierarchies(all=True)
    for tree in trees:
        (tree / folder.name / "pod").mkdir(parents=True)
    process = subprocess.Popen(["sleep", "60"])
    (folder / "pid").write_text(str(process.pid))
    cluster.sweep()
    assert folder.exists()  # another run's
    process.kill()
    process.wait()
    cluster.sweep()
    assert not folder.exists() and not any((tree / folder.name).exists() for tree in trees)
