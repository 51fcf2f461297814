"""The servers of benches/receive.py: how each is got, configured and started."""

import contextlib
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")).resolve()
PEERS = TARGET / "receive-peers"
# Whom the peers' virtual users are: an account that every Debian has, with a home that is there, which vsftpd insists on.
DAEMON = 1


def new_folder(work, name):
    """An empty folder for a turn. Nothing is removed before the end of all turns, and each folder is put elsewhere on the disk:
    ext4 without a journal looks one by one at the inodes that were freed near a new one in the last minutes, which made
    creating a file cost ten times as much for whoever came next."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))
    folder.chmod(0o755)
    return folder


def quietly(*command, **more):
    """Runs a command; what it said is told when it fails."""
    more = {"stdin": subprocess.DEVNULL, **more} if "input" not in more else more
    done = subprocess.run(command, text=True, capture_output=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def unpack(*packages):
    """Debian packages, unpacked and not installed, since they exclude each other; the libraries they need are installed."""
    PEERS.mkdir(parents=True, exist_ok=True)
    for package in packages:
        done = PEERS / f".{package}"
        if done.exists():
            continue
        quietly("apt-get", "download", package, cwd=PEERS)
        (deb,) = PEERS.glob(f"{package}_*.deb")
        needs = quietly("dpkg-deb", "-f", deb, "Depends").replace("\n", " ").split(",")
        libraries = [word for word in (need.split()[0] for need in needs if need.strip()) if word.startswith("lib")]
        quietly("apt-get", "install", "-q", "-y", "--no-install-recommends", *libraries)
        quietly("dpkg-deb", "-x", deb, PEERS)
        deb.unlink()
        done.touch()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(work):
    """One RSA certificate for all peers, which is what each can use."""
    both = work / "certificate.pem"
    if not both.exists():
        key, chain = work / "key.pem", work / "chain.pem"
        quietly("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-keyout", str(key), "-out", str(chain))
        both.write_text(key.read_text() + chain.read_text())
        both.chmod(0o600)
    return both


def client_key(work):
    key = work / "client-key"
    if not key.exists():
        quietly("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    return key


def lftp_over_ssh(work):
    """lftp signs in with a key, and remembers no host."""
    options = "-a -x -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F none"
    return f"set sftp:connect-program \"ssh {options} -i {client_key(work)}\"; "


class Running:
    """A server that was started: how lftp reaches it, what it costs, what it holds."""

    def __init__(self, process, lftp, lengths):
        self.process, self.lftp, self.lengths = process, lftp, lengths

    def processor_seconds(self):
        """Of the process, its living children and those that it has waited for."""
        return sum(self._ticks(pid) for pid in self._family(self.process.pid)) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _ticks(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15])

    @staticmethod
    def _family(pid):
        family, at = [pid], 0
        while at < len(family):
            for task in pathlib.Path(f"/proc/{family[at]}/task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
            at += 1
        return family


class Peer:
    """A server that leaves durability to its operator."""

    is_durable = False
    protocols = ("ftp", "ftps")

    def prepare(self, work):
        self.work = work
        certificate(work)

    @contextlib.contextmanager
    def running(self, protocol):
        folder = new_folder(self.work, self.name)
        root = folder / "root" / "in"
        root.mkdir(parents=True)
        os.chown(root, DAEMON, DAEMON)
        port = free_port()
        with open(folder / "log", "wb") as log:
            command = self.command(folder, root, port, protocol)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            await_port(process, port, folder / "log")
            yield Running(process, self.lftp(root, port, protocol), lambda: sorted(
                path.stat().st_size for path in root.rglob("*") if path.is_file()))
        finally:
            process.terminate()
            process.wait()

    def lftp(self, root, port, protocol):
        return f"open -u anna,secret ftp://127.0.0.1:{port}"


def await_port(process, port, log):
    for _ in range(200):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"it does not listen: {log.read_text(errors='replace').strip()[-300:]}")


class Vsftpd(Peer):
    name = "vsftpd"

    def prepare(self, work):
        super().prepare(work)
        unpack("vsftpd")

    def command(self, folder, root, port, protocol):
        (folder / "empty").mkdir()
        secure = protocol == "ftps"
        settings = {
            "listen": "YES", "listen_port": port, "listen_address": "127.0.0.1", "background": "NO",
            "local_enable": "NO", "anonymous_enable": "YES", "no_anon_password": "YES", "ftp_username": "daemon",
            "anon_root": root.parent, "write_enable": "YES", "anon_upload_enable": "YES", "anon_mkdir_write_enable": "YES",
            "anon_other_write_enable": "YES", "anon_umask": "022", "secure_chroot_dir": folder / "empty",
            "xferlog_enable": "NO", "seccomp_sandbox": "NO",
        }
        if secure:
            settings |= {
                "ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_data_ssl": "YES", "force_anon_logins_ssl": "YES",
                "rsa_cert_file": self.work / "chain.pem", "rsa_private_key_file": self.work / "key.pem",
                "require_ssl_reuse": "NO", "ssl_ciphers": "HIGH",
            }
        path = folder / "vsftpd.conf"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return [PEERS / "usr/sbin/vsftpd", path]

    def lftp(self, root, port, protocol):
        return f"open -u anonymous,x ftp://127.0.0.1:{port}; cd in"


class Proftpd(Peer):
    name = "proftpd"

    def prepare(self, work):
        super().prepare(work)
        unpack("proftpd-core", "proftpd-mod-crypto")

    def command(self, folder, root, port, protocol):
        crypted = quietly("openssl", "passwd", "-6", "secret").strip()
        users = folder / "users"
        users.write_text(f"anna:{crypted}:{DAEMON}:{DAEMON}::{root}:/bin/false\n")
        users.chmod(0o600)
        tls = f"""
LoadModule mod_tls.c
TLSEngine on
TLSRequired on
TLSRSACertificateFile {self.work}/chain.pem
TLSRSACertificateKeyFile {self.work}/key.pem
TLSOptions NoSessionReuseRequired
TLSLog none
"""
        path = folder / "proftpd.conf"
        path.write_text(f"""
ModulePath {PEERS}/usr/lib/proftpd
{tls if protocol == "ftps" else ""}
ServerName bench
ServerType standalone
DefaultAddress 127.0.0.1
Port {port}
SocketBindTight on
UseIPv6 off
UseReverseDNS off
User daemon
Group daemon
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayTable none
WtmpLog off
TransferLog none
SystemLog none
""")
        return [PEERS / "usr/sbin/proftpd", "-n", "-c", path]


class PureFtpd(Peer):
    name = "pure-ftpd"

    def prepare(self, work):
        super().prepare(work)
        unpack("pure-ftpd-common", "pure-ftpd")

    def command(self, folder, root, port, protocol):
        # By hand: the hash that its own tool makes takes seconds for each sign-in.
        crypted = quietly("openssl", "passwd", "-6", "secret").strip()
        users = folder / "users"
        users.write_text(f"anna:{crypted}:{DAEMON}:{DAEMON}::{root}/./::::::::::::\n")
        quietly(PEERS / "usr/bin/pure-pw", "mkdb", folder / "users.pdb", "-f", users)
        tls = ["-Y", "3", "-2", self.work / "certificate.pem"] if protocol == "ftps" else []
        return [PEERS / "usr/sbin/pure-ftpd", "-S", f"127.0.0.1,{port}", "-l", f"puredb:{folder}/users.pdb", "-u", "1", "-H",
                "-g", folder / "pid", *tls]


class OpenSsh(Peer):
    name = "openssh"
    protocols = ("sftp",)

    def prepare(self, work):
        self.work = work
        if not shutil.which("sshd", path="/usr/sbin"):
            # RUNLEVEL: it is needed as a program, not as this machine's service.
            quietly("apt-get", "install", "-q", "-y", "--no-install-recommends", "openssh-server",
                    env={**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"})
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)

    def command(self, folder, root, port, protocol):
        quietly("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host-key"))
        path = folder / "sshd_config"
        path.write_text(f"""
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host-key
PidFile none
AuthorizedKeysFile {client_key(self.work)}.pub
StrictModes no
PermitRootLogin yes
UsePAM no
Subsystem sftp /usr/lib/openssh/sftp-server
""")
        return ["/usr/sbin/sshd", "-D", "-e", "-f", path]

    def lftp(self, root, port, protocol):
        return f"{lftp_over_ssh(self.work)}open -u root,x sftp://127.0.0.1:{port}; cd {root}"


class Unftp(Peer):
    name = "libunftp"

    def prepare(self, work):
        super().prepare(work)
        crate, target = PROJECT / "benches/receive_unftp", TARGET / "receive-unftp"
        quietly("cargo", "build", "--release", "--locked", "--quiet", cwd=crate, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
        self.program = target / "release/receive-unftp"

    def command(self, folder, root, port, protocol):
        return [self.program, f"127.0.0.1:{port}", root, self.work / "chain.pem", self.work / "key.pem"]

    def lftp(self, root, port, protocol):
        return f"open -u anonymous,x ftp://127.0.0.1:{port}"


class Reunite:
    name = "reunite"
    is_durable = True
    protocols = ("ftp", "ftps", "sftp")

    def prepare(self, work):
        self.work = work
        self.program = os.environ.get("REUNITE")
        if not self.program:
            quietly("cargo", "build", "--release", "--locked", "--quiet", cwd=PROJECT)
            self.program = TARGET / "release/reunite"

    @contextlib.contextmanager
    def running(self, protocol):
        data = new_folder(self.work, self.name)
        ours = [self.program, "--data", data]
        quietly(*ours, "init")
        quietly(*ours, "customer", "add", "anna", input="secret\n")
        quietly(*ours, "customer", "key", "anna", f"{client_key(self.work)}.pub")
        any_port = "127.0.0.1:0"
        with open(data / "log", "wb") as log:
            process = subprocess.Popen([*ours, "serve", "--ftp", any_port, "--sftp", any_port, "--web", any_port],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = process.stdout.readline()
            if not said.startswith("ready "):
                raise RuntimeError(f"it is not ready: {(data / 'log').read_text()[-300:]}")
            address = dict(word.split("=", 1) for word in said.split()[1:])
            lftp = f"open -u anna,secret ftp://{address['ftp']}"
            if protocol == "sftp":
                lftp = f"{lftp_over_ssh(self.work)}open -u anna,x sftp://{address['sftp']}"
            yield Running(process, lftp, lambda: self.lengths(data))
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def lengths(data):
        with contextlib.closing(sqlite3.connect(f"file:{data}/catalogue.sqlite?mode=ro", uri=True)) as catalogue:
            return sorted(size for (size,) in catalogue.execute("SELECT size FROM uploads WHERE sha256 IS NOT NULL"))


ALL = [Reunite(), Vsftpd(), Proftpd(), PureFtpd(), OpenSsh(), Unftp()]
