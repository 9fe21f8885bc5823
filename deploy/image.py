#!/usr/bin/env python3
"""The last steps of deploy/image: what is in an image, and how large it is.

usage: deploy/image.py finish --layout DIR --files DIR --name NAME --compiled-in FILE --revision REVISION --at SECONDS --bill FILE --digest FILE --most BYTES
  --layout       the image, an OCI layout; gets the name by which containerd knows it
  --files        its files, unpacked
  --compiled-in  packages whose code is in the programs and not beside them: a line each, name, version, architecture
  --most         ends with 1 if the image is larger, compressed
Writes the bill of materials (CycloneDX 1.5) and the digest, and says what the image weighs.
"""
import argparse
import datetime
import hashlib
import json
import pathlib
import re
import sys
import typing
import urllib.parse
import uuid


def packages(files: pathlib.Path) -> list[dict[str, str]]:
    """Debian's packages that are installed there."""
    out = []
    for stanza in (files / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = {k: v.strip() for k, v in re.findall(r"^([A-Za-z-]+): (.*)$", stanza, re.MULTILINE)}
        if fields.get("Status", "").endswith(" installed"):
            out.append(fields)
    return sorted(out, key=lambda p: (p["Package"], p["Architecture"]))


def purl(name: str, version: str, architecture: str) -> str:
    quoted = urllib.parse.quote(version, safe="~.-")
    return f"pkg:deb/debian/{urllib.parse.quote(name, safe='~.-')}@{quoted}?arch={architecture}&distro=debian-12"


def depends(package: dict[str, str], by_name: dict[str, str]) -> list[str]:
    """The packages there that it asks for: names, or what stands in for them."""
    found = set()
    for field in ("Pre-Depends", "Depends"):
        for wish in package.get(field, "").split(","):
            for one in wish.split("|"):
                name = re.split(r"[\s:(]", one.strip(), maxsplit=1)[0]
                if name in by_name:
                    found.add(by_name[name])
                    break
    return sorted(found)


def bill(files: pathlib.Path, compiled_in: str, revision: str, digest: str, at: int) -> dict[str, typing.Any]:
    """CycloneDX 1.5. Of the same image the same bytes."""
    components: list[dict[str, typing.Any]] = [{"type": "operating-system", "bom-ref": "debian", "name": "debian", "version": (files / "etc/debian_version").read_text().strip()}]
    found = packages(files)
    by_name: dict[str, str] = {}
    for p in found:
        ref = purl(p["Package"], p["Version"], p["Architecture"])
        by_name[p["Package"]] = ref
        for other in p.get("Provides", "").split(","):
            by_name.setdefault(re.split(r"[\s(]", other.strip(), maxsplit=1)[0], ref)
    for p in found:
        ref = by_name[p["Package"]]
        supplier = re.sub(r"\s*<.*", "", p.get("Maintainer", "Debian"))
        components.append({"type": "library", "bom-ref": ref, "supplier": {"name": supplier}, "name": p["Package"], "version": p["Version"], "purl": ref})
    inside = []
    for line in compiled_in.splitlines():
        ref = purl(*line.split())
        name, version, _ = line.split()
        inside.append(ref)
        components.append({"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref, "description": "compiled into the programs"})
    programs = []
    for path in sorted((files / "usr/lib/otto").iterdir()):
        ref = f"otto/{path.name}"
        programs.append(ref)
        components.append({"type": "application", "bom-ref": ref, "name": path.name, "version": revision,
                           "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]})
    dependencies = [{"ref": "otto", "dependsOn": ["debian", *programs]}]
    listed = {p["Package"] for p in found}
    needed = sorted(by_name[n] for n in wanted() if n in listed)
    dependencies += [{"ref": p, "dependsOn": sorted({*inside, *needed})} for p in programs]
    dependencies += [{"ref": by_name[p["Package"]], "dependsOn": depends(p, by_name)} for p in found]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}", "version": 1,
        "metadata": {"timestamp": datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat().replace("+00:00", "Z"),
                     "component": {"type": "container", "bom-ref": "otto", "name": "otto", "version": revision,
                                   "purl": f"pkg:oci/otto@{urllib.parse.quote(digest, safe='')}",
                                   "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]}},
        "components": components, "dependencies": dependencies,
    }


def wanted() -> list[str]:
    """The packages of deploy/runtime-packages.txt."""
    lines = (pathlib.Path(__file__).parent / "runtime-packages.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def blob(layout: pathlib.Path, digest: str) -> bytes:
    data = (layout / "blobs" / digest.replace(":", "/", 1)).read_bytes()
    if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{layout}: what is called {digest} is something else")
    return data


def finish(args: argparse.Namespace) -> int:
    index = json.loads((args.layout / "index.json").read_text())
    entry = index["manifests"][0]
    entry.setdefault("annotations", {})["io.containerd.image.name"] = args.name
    (args.layout / "index.json").write_text(json.dumps(index))
    manifest = json.loads(blob(args.layout, entry["digest"]))
    config = json.loads(blob(args.layout, manifest["config"]["digest"]))
    for layer in manifest["layers"]:
        blob(args.layout, layer["digest"])
    if config["config"].get("User") != "65532:65532":
        print(f"deploy/image: its programs would run as {config['config'].get('User') or 'root'}, not as 65532", file=sys.stderr)
        return 1
    if (said := config["config"].get("Labels", {}).get("org.opencontainers.image.revision")) != args.revision:
        print(f"deploy/image: the image says that it is of {said}, and is of {args.revision}", file=sys.stderr)
        return 1
    size = sum(layer["size"] for layer in manifest["layers"])
    args.digest.write_text(entry["digest"] + "\n")
    made = bill(args.files, args.compiled_in.read_text(), args.revision, entry["digest"], args.at)
    args.bill.write_text(json.dumps(made, indent=1) + "\n")
    programs = {p.name: p.stat().st_size for p in (args.files / "usr/lib/otto").iterdir()}
    print(f"{args.name}\n{entry['digest']}")
    print(f"{size / 1e6:.1f} MB compressed: layers of {', '.join(format(layer['size'] / 1e6, '.1f') for layer in manifest['layers'])}")
    print(f"{len(programs)} programs of {sum(programs.values()) / 1e6:.0f} MB, {len(packages(args.files))} packages of Debian")
    if size > args.most:
        print(f"deploy/image: that is more than {args.most / 1e6:.0f} MB; deploy/runtime-packages.txt says what is in it", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/image.py", usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("what", choices=["finish"])
    for name in ("--layout", "--files", "--compiled-in", "--bill", "--digest"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    for name in ("--name", "--revision"):
        parser.add_argument(name, required=True)
    for name in ("--at", "--most"):
        parser.add_argument(name, type=int, required=True)
    return finish(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
