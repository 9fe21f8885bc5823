"""What `kubectl kustomize` makes of k8s/, as far as k8s/ uses it: resources, components, patches, generators, images, replicas,
replacements. For machines that have no kubectl; where there is one, static_test.py holds the two against each other.

Names carry no hash of what they hold, and objects no namespace.
"""
import copy
import pathlib
import shutil
import subprocess

import yaml

# By which of its members an element of a list is the same one; other lists are replaced as a whole.
KEYS = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "containerPort",
        "topologySpreadConstraints": "topologyKey"}
WORKLOADS = ("Deployment", "StatefulSet", "Job")


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is eight times as fast


def load(path: pathlib.Path) -> list[dict]:
    return [d for d in yaml.load_all(path.read_text(), _Loader) if d]


def merged(base, patch, key: str = ""):
    """A strategic merge."""
    if isinstance(base, dict) and isinstance(patch, dict):
        out = dict(base)
        for k, v in patch.items():
            if v is None:
                out.pop(k, None)
            else:
                out[k] = merged(out[k], v, k) if k in out else _without_nulls(v)
        return out
    if isinstance(base, list) and isinstance(patch, list) and key in KEYS:
        by = KEYS[key]
        out = list(base)
        # New ones stand in front, in their order.
        fresh = []
        for one in patch:
            at = next((i for i, b in enumerate(out) if b.get(by) == one[by]), None)
            if one.get("$patch") == "delete":
                if at is not None:
                    del out[at]
            elif at is None:
                fresh.append(one)
            else:
                out[at] = merged(out[at], one)
        return fresh + out
    return _without_nulls(patch)


def _without_nulls(value):
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def json_patch(o: dict, operations: list[dict]) -> None:
    for op in operations:
        *way, last = [p.replace("~1", "/").replace("~0", "~") for p in op["path"].split("/")[1:]]
        at = o
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        last = int(last) if isinstance(at, list) and last != "-" else last
        if op["op"] == "test":
            if at[last] != op["value"]:
                raise ValueError(f"{op['path']} is {at[last]!r}")
        elif op["op"] == "remove":
            del at[last]
        elif op["op"] == "replace":
            at[last]  # it must be there
            at[last] = op["value"]
        elif last == "-":
            at.append(op["value"])
        else:
            at[last] = op["value"]


def _data(folder: pathlib.Path, generator: dict) -> dict[str, str]:
    out = {}
    for name in generator.get("envs", []):
        for line in (folder / name).read_text().splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.partition("=")
                out[key] = value
    for name in generator.get("files", []):
        key, _, path = name.rpartition("=")
        out[key or pathlib.Path(path).name] = (folder / path).read_text()
    for literal in generator.get("literals", []):
        key, _, value = literal.partition("=")
        out[key] = value
    return out


def _selected(o: dict, target: dict) -> bool:
    import re

    labels = o["metadata"].get("labels", {})
    group, _, version = o["apiVersion"].rpartition("/")
    return (target.get("kind") in (None, o["kind"]) and target.get("group") in (None, group) and target.get("version") in (None, version)
            and re.fullmatch(target.get("name", ".*"), o["metadata"]["name"]) is not None
            and all(labels.get(k) == v for k, v in (part.split("=") for part in filter(None, target.get("labelSelector", "").split(",")))))


def _apply(folder: pathlib.Path, kustomization: dict, objects: list[dict]) -> None:
    for path in kustomization.get("resources", []):
        it = folder / path
        objects += build(it) if it.is_dir() else load(it)
    for path in kustomization.get("components", []):
        it = folder / path
        _apply(it, load(it / "kustomization.yaml")[0], objects)
    for kind, key, field in (("ConfigMap", "configMapGenerator", "data"), ("Secret", "secretGenerator", "stringData")):
        for generator in kustomization.get(key, []):
            found = next((o for o in objects if o["kind"] == kind and o["metadata"]["name"] == generator["name"]), None)
            if generator.get("behavior") == "merge":
                if found is None:
                    raise ValueError(f"{folder}: there is no {kind} {generator['name']} to merge into")
                found[field] |= _data(folder, generator)
            elif found is not None:
                raise ValueError(f"{folder}: {kind} {generator['name']} is there already")
            else:
                made = {"name": generator["name"], "labels": generator.get("options", {}).get("labels")}
                objects.append({"apiVersion": "v1", "kind": kind, "metadata": {k: v for k, v in made.items() if v}, field: _data(folder, generator)})
    for one in kustomization.get("patches", []):
        patch = yaml.safe_load(one["patch"] if "patch" in one else (folder / one["path"]).read_text())
        target = one.get("target") or {"kind": patch["kind"], "name": patch["metadata"]["name"]}
        chosen = [i for i, o in enumerate(objects) if _selected(o, target)]
        if not chosen and "target" not in one:
            raise ValueError(f"{folder}: nothing is patched by {one}")
        for i in reversed(chosen):
            if isinstance(patch, list):
                json_patch(objects[i], patch)
            elif patch.get("$patch") == "delete":
                del objects[i]
            else:
                objects[i] = merged(objects[i], patch)
    for one in kustomization.get("replicas", []):
        for o in objects:
            if o["kind"] in WORKLOADS and o["metadata"]["name"] == one["name"]:
                o["spec"]["replicas"] = one["count"]
    for image in kustomization.get("images", []):
        for o in objects:
            if o["kind"] in WORKLOADS:
                for c in o["spec"]["template"]["spec"]["containers"]:
                    if c["image"].partition(":")[0] == image["name"]:
                        name = image.get("newName", image["name"])
                        c["image"] = f"{name}@{image['digest']}" if "digest" in image else f"{name}:{image['newTag']}"
    for one in kustomization.get("replacements", []):
        source = next(o for o in objects if o["kind"] == one["source"]["kind"] and o["metadata"]["name"] == one["source"]["name"])
        value = source["data"][one["source"]["fieldPath"].removeprefix("data.")]
        for target in one["targets"]:
            for o in objects:
                if o["kind"] == target["select"]["kind"] and o["metadata"]["name"] == target["select"]["name"]:
                    parts = o["metadata"]["name"].split(target["options"]["delimiter"])
                    parts[target["options"]["index"]] = value
                    o["metadata"]["name"] = target["options"]["delimiter"].join(parts)


def build(folder: pathlib.Path, components: tuple[str, ...] = ()) -> list[dict]:
    """`components`: more of them, as if they stood there last."""
    objects: list[dict] = []
    kustomization = load(folder / "kustomization.yaml")[0]
    kustomization.setdefault("components", []).extend(f"../../components/{c}" for c in components)
    _apply(folder, kustomization, objects)
    return objects


# ---- by kubectl
def kubectl() -> str | None:
    return shutil.which("kubectl")


def built_by_kubectl(program: str, folder: pathlib.Path) -> list[dict]:
    done = subprocess.run([program, "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return [d for d in yaml.load_all(done.stdout, _Loader) if d]


def plain(objects: list[dict]) -> dict[tuple[str, str], dict]:
    """By kind and name, without what the two name otherwise: hashes in names, namespaces, coded secrets."""
    import base64
    import re

    names = {m.group(0): m.group(1) for o in objects if o["kind"] == "ConfigMap" and (m := re.fullmatch(r"(.+)-[a-z0-9]{10}", o["metadata"]["name"]))}

    def walk(value, key=""):
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            out = [walk(v) for v in value]
            return sorted(out, key=lambda v: str(v.get(KEYS[key]))) if key in KEYS and all(isinstance(v, dict) for v in out) else out
        return names.get(value, value) if isinstance(value, str) else value

    out = {}
    for o in objects:
        o = walk(copy.deepcopy(o))
        o["metadata"].pop("namespace", None)
        if o["kind"] == "Secret":
            data = o.pop("stringData", None) or {k: base64.b64decode(v).decode() for k, v in o.pop("data").items()}
            o.pop("type", None)
            o["data"] = data
        out[o["kind"], o["metadata"]["name"]] = o
    return out
