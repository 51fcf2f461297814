"""The API against its own description: schemathesis asks everything that the document allows, and much that it does not.

Any answer that is a fault of the server, that the document does not name, or that has another shape than it says, fails.

    python described.py PROGRAM [EXAMPLES]
"""

import subprocess
import sys
import pathlib

from shop import Shop


def main(program, examples="15"):
    shop = Shop(program, '[web]\nembed_origins = ["https://shop.example"]\n')
    shop.records(["harbour", "tulips", "stag", "lighthouse"])
    with shop.serve() as address:
        shop.send("originals/harbour.jpg", "derived/tulips-resave-q60.jpg", "malformed/text-named.jpg")
        token = shop.run("token", "add", "test", "--scope", "read,decide,embed").strip()
        tool = pathlib.Path(sys.executable).parent / "schemathesis"
        done = subprocess.run([
            tool, "run", f"{address}/api/v1/openapi.json", "--url", address, "--checks", "all",
            "--header", f"Authorization: Bearer {token}", "--max-examples", examples, "--seed", "1",
            "--generation-database", "none", "--no-color", "--suppress-health-check", "all", "--warnings", "off",
            "--continue-on-failure",
        ], cwd=shop.scratch)
        assert done.returncode == 0, "the API does not do what its description says"
        assert "error" not in (shop.scratch / "log").read_text().lower(), (shop.scratch / "log").read_text()


main(*sys.argv[1:])
