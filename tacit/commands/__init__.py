"""The commands, in the order in which they are listed. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

from tacit.commands import adapt, inspect, judge, label, learn, look, retrieve, show, use

app = App(
    name="tacit",
    help="Learn representations from unlabelled data, prove that it helped, and use the result.",
    help_format="plaintext",
    help_epilogue="""Start here:
  tacit demo                             two minutes, no data needed
  tacit train photos --time 10m          learn from a folder, without labels
  tacit evaluate runs/photos-simclr photos      did it help? with all floors
  tacit embed runs/photos-simclr photos --out vectors.parquet

`tacit COMMAND --help` shows examples. Results go to stdout, all else to stderr.""",
    version=version("tacit"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()
for module in (inspect, learn, judge, use, label, adapt, retrieve, show, look):
    for command, examples in module.COMMANDS:
        app.command(command, help_epilogue=examples or None)
