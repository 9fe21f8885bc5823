"""Images without a builder: an OCI layout of one layer, made of files of this machine."""

import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
import typing

HERE = pathlib.Path(__file__).parent
MANIFEST, CONFIG, LAYER = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"


def layout(folder: pathlib.Path, files: typing.Mapping[str, pathlib.Path | bytes], **config: typing.Any) -> pathlib.Path:
    """An image of these files (path in the image -> file here, or its bytes); `config` as OCI has it (Entrypoint, User, Env)."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes, kind: str) -> dict[str, typing.Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        folders: set[str] = set()
        for path in sorted(files):
            for parent in reversed(pathlib.PurePosixPath(path).parents):
                if (name := str(parent).strip("/.")) and name not in folders:
                    folders.add(name)
                    entry = tarfile.TarInfo(name)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
                    tar.addfile(entry)
            source = files[path]
            data = source if isinstance(source, bytes) else source.read_bytes()
            entry = tarfile.TarInfo(path.strip("/"))
            entry.size, entry.mode = len(data), 0o644 if isinstance(source, bytes) else source.stat().st_mode & 0o755
            tar.addfile(entry, io.BytesIO(data))
    layer = blob(gzip.compress(raw.getvalue(), 1, mtime=0), LAYER)
    diff = f"sha256:{hashlib.sha256(raw.getvalue()).hexdigest()}"
    told = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode(), CONFIG)
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": told, "layers": [layer]}).encode(), MANIFEST)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    return folder


def digest(folder: pathlib.Path) -> str:
    return str(json.loads((folder / "index.json").read_text())["manifests"][0]["digest"])


def pack(folder: pathlib.Path, archive: pathlib.Path, name: str) -> None:
    """The layout as one file, its image named as containerd shall call it."""
    index = json.loads((folder / "index.json").read_text())
    manifest = index["manifests"][0] | {"annotations": {"io.containerd.image.name": name}}
    text = json.dumps(index | {"manifests": [manifest]}).encode()
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "oci-layout", "oci-layout")
        tar.add(folder / "blobs", "blobs")
        entry = tarfile.TarInfo("index.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))


def pause(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", folder / "pause", HERE / "pause.c"], check=True)
    return layout(folder / "image", {"/pause": folder / "pause"}, Entrypoint=["/pause"], User="65535:65535")


def program(folder: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    """An image of one program that needs nothing else."""
    return layout(folder, {f"/{path.name}": path}, Entrypoint=[f"/{path.name}"], User="65532:65532")


def libraries(*programs: pathlib.Path) -> set[pathlib.Path]:
    """What the loader loads for them, and the loader."""
    found = set()
    for line in subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout.splitlines():
        found |= {pathlib.Path(word) for word in line.split() if word.startswith("/") and not word.endswith(":")}
    return found


def of_machine(*programs: pathlib.Path) -> dict[str, pathlib.Path | bytes]:
    """These programs where they stand, and what they load."""
    return {str(p): p for p in {*programs, *libraries(*programs)}}


def otto(folder: pathlib.Path, binaries: pathlib.Path, names: typing.Iterable[str]) -> pathlib.Path:
    """Otto's image for as long as nobody builds a better one: the programs, stripped, with this machine's libraries."""
    stripped = folder / "stripped"
    stripped.mkdir(parents=True)
    files: dict[str, pathlib.Path | bytes] = {}
    for name in names:
        subprocess.run(["strip", "-o", stripped / name, binaries / name], check=True)
        files[f"/usr/lib/otto/{name}"] = stripped / name
    files |= {str(p): p for p in libraries(*stripped.iterdir())}
    files |= {"/etc/passwd": b"root:x:0:0::/:/bin/false\notto:x:65532:65532::/:/bin/false\n", "/etc/group": b"root:x:0:\notto:x:65532:\n"}
    for path in (pathlib.Path("/etc/ssl/certs/ca-certificates.crt"), *(p for p in pathlib.Path("/usr/share/zoneinfo").rglob("*") if p.is_file() and p.parts[4] not in ("posix", "right"))):
        if path.exists():
            files[str(path)] = path
    return layout(folder / "image", files, User="65532:65532", Env=["PATH=/usr/lib/otto"])


def nginx(folder: pathlib.Path) -> pathlib.Path:
    """This machine's nginx and a shell, as the edge's manifests name them."""
    found = {name: pathlib.Path(subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True).stdout.strip()).resolve() for name in ("nginx", "sh")}
    files = of_machine(*found.values())
    files |= {"/bin/sh": found["sh"], "/etc/passwd": b"root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n", "/etc/group": b"root:x:0:\nnogroup:x:65534:\n"}
    return layout(folder, files, User="65532:65532", Env=["PATH=/usr/sbin:/usr/bin:/bin"])
