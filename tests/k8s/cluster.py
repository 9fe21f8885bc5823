"""A real Kubernetes of one node, in namespaces of its own: etcd, the control plane, containerd, the kubelet and kube-proxy as processes of ours.

`tests/k8s/run` starts Python in a network, mount and process namespace that nothing else is in (`inside`), so whatever runs there ends with its first process, also when that is killed; what is left then are cgroups
and a folder, which `sweep` removes. Nothing in here reaches the outside, and nothing outside reaches in.

    node        172.30.0.1, .2, .3: API server, Kafka, Postgres, the sandbox
    pods        10.244.0.0/24, each on a wire of its own to the node (CNI's `ptp`: on a bridge, answers would pass kube-proxy by)
    services    10.96.0.0/16; NodePorts answer on 127.0.0.1 too
"""

import contextlib
import datetime
import functools
import ipaddress
import json
import os
import pathlib
import secrets
import shutil
import signal
import ssl
import subprocess
import typing

import httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from conftest import eventually

from . import oci

NODE, NODE_IP = "node-1", "172.30.0.1"
NODE_IPS = (NODE_IP, "172.30.0.2", "172.30.0.3")
PODS, SERVICES, API, DNS = "10.244.0.0/24", "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
CNI_BIN = pathlib.Path("/usr/lib/cni")
PREFIX = "otto-k8s-"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# What the kubelet sets for the whole system: it is put back.
TUNABLES = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")
PAUSE = "docker.io/library/otto-pause:1"


class NotRun(Exception):
    """This machine does not allow it; the reason."""


class Pki:
    """One authority, and what it vouches for: files NAME.crt and NAME.key."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the test cluster's authority")])
        self.authority = self.signed(self.name, self.key.public_key(), authority=True)
        self.write("ca", self.authority, self.key)
        account = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # signs the tokens of service accounts
        self.write("service-account", None, account)

    def signed(self, name: x509.Name, key: typing.Any, *, authority: bool = False, names: typing.Iterable[str] = ()) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=30))
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        made = made.add_extension(x509.KeyUsage(True, False, False, False, False, authority, authority, False, False), critical=True)
        if not authority:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        if names := list(names):
            made = made.add_extension(x509.SubjectAlternativeName([self.alternative(n) for n in names]), critical=False)
        return made.sign(self.key, hashes.SHA256())

    @staticmethod
    def alternative(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    def write(self, name: str, certificate: x509.Certificate | None, key: typing.Any) -> None:
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)
        (self.folder / f"{name}.pub").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        if certificate:
            (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def give(self, name: str, user: str, *groups: str, names: typing.Iterable[str] = ()) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([*(x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups), x509.NameAttribute(NameOID.COMMON_NAME, user)])
        self.write(name, self.signed(subject, key.public_key(), names=names), key)

    def kubeconfig(self, name: str) -> pathlib.Path:
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": f"https://{NODE_IP}:6443", "certificate-authority": str(self.folder / "ca.crt")}
        user = {"client-certificate": str(self.folder / f"{name}.crt"), "client-key": str(self.folder / f"{name}.key")}
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "test", "clusters": [{"name": "test", "cluster": cluster}], "users": [{"name": name, "user": user}],
                                        "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}]}))
        return path


def hierarchies(all: bool = False) -> list[pathlib.Path]:
    """Where cgroups are made: version 1 has a tree for each controller, version 2 one for all. `all`: the tree of version 2 that may lie beside those, in which runc makes some as well."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [p for p in CGROUPS.iterdir() if p.is_dir() and not p.is_symlink() and (p / "cgroup.procs").exists() and (all or p.name != "unified")]


def sweep() -> None:
    """Removes what runs have left that were killed."""
    for left in pathlib.Path("/tmp").glob(PREFIX + "*"):
        with contextlib.suppress(OSError, ValueError):
            pid = int((left / "pid").read_text())  # of the outer process, as the system counts
            if not pathlib.Path(f"/proc/{pid}").exists():
                remove(left)


def remove(folder: pathlib.Path) -> None:
    """What the kernel does not end with a run's first process: cgroups, what the kubelet set for the whole system, the folder."""
    for tree in hierarchies(all=True):
        remove_cgroup(tree / folder.name)
    with contextlib.suppress(OSError, ValueError):
        for name, value in json.loads((folder / "tunables").read_text()).items():
            pathlib.Path("/proc/sys", name).write_text(value)
    shutil.rmtree(folder, ignore_errors=True)


def remove_cgroup(path: pathlib.Path) -> None:
    for folder, _, _ in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):  # somebody lives in it: another run's
            os.rmdir(folder)


def forbidden() -> str:
    """Why this machine can have no cluster; "" if it can."""
    if os.geteuid() != 0:
        return "only root may make namespaces and cgroups"
    probe = f"{PREFIX}probe-{os.getpid()}"
    for tree in hierarchies():
        try:
            (tree / probe).mkdir()
            (tree / probe).rmdir()
        except OSError as e:
            return f"cgroups cannot be made in {tree}: {e.strerror}"
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
    return f"namespaces cannot be made: {done.stderr.strip()}" if done.returncode else ""


class Part:
    """One process of the cluster, with its log."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
        self.name, self.process, self.log = name, process, log

    def tail(self, n: int = 1500) -> str:
        return self.log.read_text(errors="replace")[-n:]

    def stop(self, number: int = signal.SIGTERM, within: float = 20) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Cluster:
    def __init__(self, folder: pathlib.Path, kube: pathlib.Path, coredns: pathlib.Path | None = None) -> None:
        self.folder, self.kube, self.coredns = folder, kube, coredns
        self.logs = folder / "logs"
        self.parts: dict[str, Part] = {}
        self.cgroup = folder.name  # "otto-k8s-…": the same in each hierarchy

    # -- processes

    def launch(self, name: str, *command: str | pathlib.Path, env: dict[str, str] = {}) -> Part:
        self.logs.mkdir(exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen([str(w) for w in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=os.environ | env)
        self.parts[name] = Part(name, process, log)
        return self.parts[name]

    def await_(self, name: str, check: typing.Callable[[], typing.Any], within: float = 60) -> None:
        part = self.parts[name]

        def there() -> typing.Any:
            if part.process.poll() is not None:
                raise AssertionError(f"{name} ended with {part.process.returncode}:\n{part.tail()}")
            return check()

        try:
            eventually(there, within=within, what=name)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{part.tail()}") from None

    # -- starting

    def start(self) -> None:
        self.ground()
        self.secrets()
        self.control_plane()
        self.node()

    def ground(self) -> None:
        """What belongs to the machine: addresses, and folders that several programs name alike."""
        run("ip", "link", "set", "lo", "up")
        for address in NODE_IPS:
            run("ip", "address", "add", f"{address}/32", "dev", "lo")
        for name, value in {"net/ipv4/ip_forward": 1, "net/ipv4/conf/all/rp_filter": 0, "net/ipv6/conf/all/forwarding": 1}.items():
            with contextlib.suppress(OSError):
                pathlib.Path("/proc/sys", name).write_text(str(value))
        for path in ("/run", "/var/log"):  # sockets, locks and links at fixed places
            run("mount", "-t", "tmpfs", "tmpfs", path)
        for name in ("up", "work"):
            (self.folder / "var" / name).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/var/lib,upperdir={self.folder}/var/up,workdir={self.folder}/var/work", "/var/lib")
        pathlib.Path("/run/lock").mkdir()

    def secrets(self) -> None:
        pki = self.pki = Pki(self.folder / "pki")
        pki.give("apiserver", "kube-apiserver", names=["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", NODE_IP, API])
        pki.give("to-kubelet", "kube-apiserver", "system:masters")
        pki.give("front-proxy", "front-proxy")
        pki.give("admin", "admin", "system:masters")
        for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            pki.give(name, f"system:{name}")
        pki.give("kubelet", f"system:node:{NODE}", "system:nodes", names=[NODE, NODE_IP])
        for name in ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"):
            pki.kubeconfig(name)

    def control_plane(self) -> None:
        pki, etcd = self.pki.folder, "http://127.0.0.1:2379"
        (self.folder / "etcd").mkdir(mode=0o700)
        run("mount", "-t", "tmpfs", "tmpfs", str(self.folder / "etcd"))  # it waits for its disk at each write
        self.launch("etcd", "etcd", "--data-dir", self.folder / "etcd" / "data", "--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", "http://127.0.0.1:2380")
        self.launch("kube-apiserver", self.kube / "kube-apiserver", f"--etcd-servers={etcd}", f"--service-cluster-ip-range={SERVICES}", f"--advertise-address={NODE_IP}", "--secure-port=6443",
                    f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key", f"--client-ca-file={pki}/ca.crt",
                    f"--service-account-key-file={pki}/service-account.pub", f"--service-account-signing-key-file={pki}/service-account.key", "--service-account-issuer=https://kubernetes.default.svc",
                    f"--kubelet-client-certificate={pki}/to-kubelet.crt", f"--kubelet-client-key={pki}/to-kubelet.key", "--kubelet-preferred-address-types=InternalIP",
                    f"--requestheader-client-ca-file={pki}/ca.crt", "--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
                    "--requestheader-extra-headers-prefix=X-Remote-Extra-", f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key", "--enable-aggregator-routing",
                    "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged", "--event-ttl=2h", "--v=1")
        self.await_("kube-apiserver", lambda: self.answers("/readyz"), within=90)
        self.launch("kube-controller-manager", self.kube / "kube-controller-manager", f"--kubeconfig={pki}/kube-controller-manager.kubeconfig", f"--service-account-private-key-file={pki}/service-account.key",
                    f"--root-ca-file={pki}/ca.crt", f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key", "--use-service-account-credentials", "--leader-elect=false",
                    f"--requestheader-client-ca-file={pki}/ca.crt", "--node-monitor-grace-period=20s", "--horizontal-pod-autoscaler-sync-period=5s", "--v=1")
        self.launch("kube-scheduler", self.kube / "kube-scheduler", f"--kubeconfig={pki}/kube-scheduler.kubeconfig", "--leader-elect=false", "--v=1")

    def node(self) -> None:
        self.containerd()
        pki = self.pki.folder
        for tree in hierarchies():
            (tree / self.cgroup).mkdir(exist_ok=True)
            if tree.name == "cpuset":  # is born empty in version 1
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (tree / self.cgroup / name).write_text((tree / name).read_text())
            for name, value in (("cpu.shares", 8192), ("cpu.weight", 800)):  # else all pods together count as one process beside Kafka, Postgres and whoever sends
                with contextlib.suppress(OSError):
                    if (tree / self.cgroup / name).exists():
                        (tree / self.cgroup / name).write_text(str(value))
        (self.folder / "resolv.conf").write_text(f"nameserver {DNS}\n")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.folder}/containerd/containerd.sock", "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}", "enforceNodeAllocatable": [], "failSwapOn": False,
            "clusterDNS": [DNS], "clusterDomain": "cluster.local", "resolvConf": str(self.folder / "resolv.conf"), "authentication": {"x509": {"clientCAFile": f"{pki}/ca.crt"}, "anonymous": {"enabled": False}},
            "authorization": {"mode": "Webhook"}, "tlsCertFile": f"{pki}/kubelet.crt", "tlsPrivateKeyFile": f"{pki}/kubelet.key", "podLogsDir": str(self.folder / "pod-logs"), "volumePluginDir": str(self.folder / "volume-plugins"),
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}, "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, "oomScoreAdj": 0,
            "syncFrequency": "10s", "nodeStatusUpdateFrequency": "4s", "serializeImagePulls": False, "registerWithTaints": [], "shutdownGracePeriod": "0s", "maxPods": 110, "protectKernelDefaults": False, "makeIPTablesUtilChains": True,
            "logging": {"verbosity": 1},
        }
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(config))
        self.launch("kubelet", self.kube / "kubelet", f"--config={self.folder}/kubelet.yaml", f"--kubeconfig={pki}/kubelet.kubeconfig", f"--root-dir={self.folder}/kubelet", f"--cert-dir={self.folder}/kubelet-pki",
                    f"--hostname-override={NODE}", f"--node-ip={NODE_IP}")
        self.launch("kube-proxy", self.kube / "kube-proxy", f"--kubeconfig={pki}/kube-proxy.kubeconfig", "--proxy-mode=iptables", f"--cluster-cidr={PODS}", f"--hostname-override={NODE}", "--conntrack-max-per-core=0",
                    "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--iptables-min-sync-period=100ms", "--oom-score-adj=0")
        self.await_("kubelet", lambda: any(c["type"] == "Ready" and c["status"] == "True" for n in self.listed("nodes") for c in n["status"].get("conditions", [])), within=90)
        self.await_("kube-proxy", lambda: "KUBE-SERVICES" in subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, text=True).stdout)

    def containerd(self) -> None:
        home = self.folder / "containerd"
        for name in ("cni", "empty"):
            (home / name).mkdir(parents=True)
        plugins = [{"type": "ptp", "ipMasq": False, "ipam": {"type": "host-local", "dataDir": str(home / "addresses"), "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]
        (home / "cni" / "10-otto.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "otto", "plugins": plugins}))
        (home / "config.toml").write_text(f"""
version = 2
root = "{home}/root"
state = "{home}/state"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BIN}"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
""")
        self.launch("containerd", "containerd", "--config", home / "config.toml")
        self.await_("containerd", lambda: subprocess.run(["ctr", "-a", home / "containerd.sock", "version"], capture_output=True).returncode == 0)
        self.image(oci.pause(self.folder / "pause"), PAUSE)

    def image(self, layout: pathlib.Path, *names: str) -> None:
        """Puts an image (an OCI layout) on the node under these names."""
        home, archive = self.folder / "containerd", self.folder / "image.tar"
        oci.pack(layout, archive, names[0])
        ctr = ("ctr", "-a", str(home / "containerd.sock"), "-n", "k8s.io", "images")
        run(*ctr, "import", str(archive))
        archive.unlink()
        for name in names[1:]:
            run(*ctr, "tag", "--force", names[0], name)

    def dns(self) -> None:
        """Names of Services for pods."""
        assert self.coredns
        self.image(oci.program(self.folder / "coredns", self.coredns / "coredns"), "docker.io/library/otto-coredns:1")
        corefile = ".:5353 {\n  errors\n  health :8081\n  ready :8181\n  cache 5\n  kubernetes cluster.local in-addr.arpa ip6.arpa {\n    pods verified\n    ttl 5\n  }\n}\n"
        labels = {"k8s-app": "kube-dns"}
        where = {"namespace": "kube-system", "name": "coredns"}
        rules = [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]}, {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]
        container = {"name": "coredns", "image": "docker.io/library/otto-coredns:1", "imagePullPolicy": "Never", "args": ["-conf", "/etc/coredns/Corefile"], "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
                     "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1}, "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}}
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "coredns"}, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "coredns"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"},
             "subjects": [{"kind": "ServiceAccount", **where}]},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": {"Corefile": corefile}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": where | {"labels": labels}, "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "serviceAccountName": "coredns", "dnsPolicy": "Default", "containers": [container], "volumes": [{"name": "config", "configMap": {"name": "coredns"}}]}}}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "kube-system", "name": "kube-dns", "labels": labels}, "spec": {"selector": labels, "clusterIP": DNS, "ports": [
                {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 5353}, {"name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 5353}]}},
        )
        self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")

    @contextlib.contextmanager
    def metrics(self, folder: pathlib.Path) -> typing.Iterator[None]:
        """What pods take is known to autoscalers meanwhile: metrics-server, a process of the node."""
        pki, name, port = self.pki.folder, "v1beta1.metrics.k8s.io", 4443
        meta = {"namespace": "kube-system", "name": "metrics-server"}
        self.launch("metrics-server", folder / "metrics-server", f"--kubeconfig={pki}/admin.kubeconfig", f"--authentication-kubeconfig={pki}/admin.kubeconfig", f"--authorization-kubeconfig={pki}/admin.kubeconfig",
                    f"--secure-port={port}", f"--cert-dir={self.folder}/metrics-server", "--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=10s", "--kubelet-request-timeout=5s")
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 443, "targetPort": port}]}},
                   {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta | {"labels": {"kubernetes.io/service-name": "metrics-server"}}, "addressType": "IPv4", "ports": [{"name": "", "port": port}],
                    "endpoints": [{"addresses": [NODE_IP]}]},
                   {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}, "spec": {
                       "service": {"namespace": "kube-system", "name": "metrics-server"}, "group": "metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": True, "groupPriorityMinimum": 100, "versionPriority": 100}})
        try:
            self.await_("metrics-server", lambda: self.answers("/apis/metrics.k8s.io/v1beta1/nodes"), within=90)
            yield
        finally:
            self.kubectl("delete", "apiservice", name)
            self.parts["metrics-server"].stop()

    def volumes(self, count: int, size: str = "4Gi") -> None:
        """Folders of this node that claims may have."""
        things: list[dict[str, typing.Any]] = [{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                                                "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}]
        for n in range(count):
            path = self.folder / "volumes" / str(n)
            path.mkdir(parents=True)
            here = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]}
            things.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"local-{n}"}, "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "storageClassName": "local",
                           "persistentVolumeReclaimPolicy": "Retain", "local": {"path": str(path)}, "nodeAffinity": {"required": here}}})
        self.apply(*things)

    # -- talking

    def kubectl(self, *words: str, input: str | None = None, within: float = 120) -> str:
        done = self.ask(*words, input=input, within=within)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()[-2000:]} {done.stdout.strip()[-500:]}")
        return done.stdout

    def ask(self, *words: str, input: str | None = None, within: float = 120) -> subprocess.CompletedProcess[str]:
        command = [self.kube / "kubectl", f"--kubeconfig={self.pki.folder}/admin.kubeconfig", f"--cache-dir={self.folder}/kubectl", *words]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=within)

    def answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.api.get(path).status_code == 200
        return False

    def apply(self, *things: dict[str, typing.Any]) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump_all(things))

    @functools.cached_property
    def api(self) -> httpx.Client:
        """Straight to the API server: a kubectl takes a fifth of a second of a core to begin, too much for who asks several times a second."""
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(self.pki.folder / "ca.crt")
        trust.load_cert_chain(self.pki.folder / "admin.crt", self.pki.folder / "admin.key")
        return httpx.Client(base_url=f"https://{NODE_IP}:6443", verify=trust, trust_env=False, timeout=20)

    def get(self, path: str, **query: str) -> typing.Any:
        answer = self.api.get(path, params=query)
        if answer.status_code != 200:
            raise AssertionError(f"GET {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def listed(self, kinds: str, namespace: str = "", group: str = "api/v1", selector: str = "") -> list[dict[str, typing.Any]]:
        """All of a kind, such as listed("deployments", "otto", "apis/apps/v1")."""
        said = self.get(f"/{group}/" + (f"namespaces/{namespace}/" if namespace else "") + kinds, **({"labelSelector": selector} if selector else {}))
        return [item | {"kind": said["kind"].removesuffix("List")} for item in said["items"]]

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, typing.Any]]:
        return self.listed("pods", namespace, selector=selector)

    def log(self, namespace: str, pod: str, lines: int = 1000, *, former: bool = False) -> str:
        """"": there is none."""
        answer = self.api.get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", params={"tailLines": str(lines), "previous": str(former).lower()})
        return answer.text if answer.status_code == 200 else ""

    def restarts(self, namespace: str) -> dict[str, int]:
        """Of what serves: a Job that meets no roles yet ends, and is run again, by design."""
        return {p["metadata"]["name"]: n for p in self.pods(namespace, "!job-name") if (n := sum(c["restartCount"] for c in p["status"].get("containerStatuses", [])))}

    # -- ending

    def stop(self) -> None:
        """Pods end first, so that their containers, cgroups and mounts are taken down by those who made them."""
        if "kubelet" in self.parts and self.parts["kubelet"].process.poll() is None:
            with contextlib.suppress(Exception):
                self.parts["kubelet"].stop()
        for name in reversed(list(self.parts)):
            self.parts[name].stop(within=5)


def run(*command: str, within: float = 120) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-1500:]} {done.stdout.strip()[-300:]}")
    return done.stdout + done.stderr


def fresh_folder() -> pathlib.Path:
    """Where a run keeps everything; others may pass through it (Postgres is not root)."""
    folder = pathlib.Path("/tmp") / f"{PREFIX}{secrets.token_hex(4)}"
    folder.mkdir(mode=0o711)
    (folder / "tunables").write_text(json.dumps({name: pathlib.Path("/proc/sys", name).read_text() for name in TUNABLES}))
    return folder
