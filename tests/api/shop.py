"""A shop in a scratch folder, served by the real program; what the tests in this folder stand on."""

import contextlib
import hashlib
import os
import pathlib
import subprocess
import tempfile
import time

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"


class Shop:
    def __init__(self, program, settings=""):
        self.program = program
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="reunite-api-"))
        self.data = self.scratch / "data"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("REUNITE_")}
        self.environment["REUNITE_DATA"] = str(self.data)
        self.run("init")
        (self.data / "reunite.toml").write_text(settings)

    def run(self, *arguments, fails=False, given=None):
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, input=given, capture_output=True, text=True
        )
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stderr if fails else done.stdout

    def records(self, names, customer="anna"):
        """Imports a record for each fixture; its digest is known, its original lost."""
        rows = ["record,customer,thumbnail,sha256,filename"]
        for name in names:
            picture = next((FIXTURES / "originals").glob(f"{name}.*"))
            digest = hashlib.sha256(picture.read_bytes()).hexdigest()
            rows.append(f"R-{name},{customer},{picture.name},{digest},{picture.name}")
        path = self.scratch / "records.csv"
        path.write_text("\n".join(rows) + "\n")
        self.run("import", str(path), "--thumbs", str(FIXTURES / "originals"))

    def send(self, *fixtures, customer="anna"):
        """Has these fixtures taken in, and waits until they are decided."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        for at, fixture in enumerate(fixtures):
            source = FIXTURES / fixture
            (folder / f"{at} {source.name}").write_bytes(source.read_bytes())
        self.run("scan", str(folder), "--customer", customer)

    @contextlib.contextmanager
    def serve(self):
        """The running server; gives the address of its pages."""
        any_port = "127.0.0.1:0"
        child = subprocess.Popen(
            [self.program, "serve", "--ftp", any_port, "--sftp", any_port, "--web", any_port],
            env={**self.environment, "REUNITE_RECEIVE_INBOX_QUIET_SECONDS": "0"},
            stdout=subprocess.PIPE, stderr=open(self.scratch / "log", "ab"), text=True,
        )
        try:
            ready = child.stdout.readline()
            assert ready.startswith("ready "), (self.scratch / "log").read_text()
            yield "http://" + next(word[4:] for word in ready.split() if word.startswith("web="))
        finally:
            child.terminate()
            child.wait()


def eventually(what, seconds=60):
    """Waits until `what` gives something that is true, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing of {what} in {seconds} s")
