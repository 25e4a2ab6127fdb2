"""The unmodified `wandb sweep` takes every sweep file."""

import json

from tests.on_wandb.conftest import ROOT

# All files in one process: the command line is the real one, starting it 22 times would take a minute.
ACCEPT = """
import json, sys
from click.testing import CliRunner
from wandb.cli.cli import cli
done = {path: CliRunner().invoke(cli, ["sweep", path]) for path in sys.argv[1:]}
print(json.dumps({path: [result.exit_code, result.output] for path, result in done.items()}))
"""


def test_every_file_is_accepted(server, machine):
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "sweeps").rglob("*.yaml"))
    code, text = machine.run("-c", ACCEPT, *files)
    assert code == 0, text
    results = json.loads(text.splitlines()[-1])
    refused = {path: said for path, (ended, said) in results.items() if ended != 0 or "Warning" in said}
    assert not refused
    names = {sweep.config["name"] for sweep in server.state.sweeps.values()}
    assert names == {path.removeprefix("sweeps/").removesuffix(".yaml") for path in files}
