"""The commands, in the order in which they are listed. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App, Group

from tacit.commands import (
    adapt,
    alarm,
    collect,
    inspect,
    judge,
    label,
    learn,
    look,
    play,
    recommend,
    retrieve,
    show,
    use,
    write,
)
from tacit.commands.kinds import flowing

WAY = {
    "First steps": ("demo", "methods", "doctor"),
    "Look at the data": ("collect", "inspect", "duplicates"),
    "Learn without labels": ("train", "show"),
    "Judge what was learnt": ("evaluate", "runs"),
    "Use it: vectors and search": ("embed", "index", "search", "export"),
    "Use it: labels and answers": ("select", "finetune", "predict", "recommend", "anomalies", "generate"),
    "Use it: act": ("play",),
}
"""The commands by what they are for, in the order in which somebody new needs them."""
OTHER = Group("This program", sort_key=len(WAY))

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
app.register_install_completion_command(group=OTHER)
for flag in ("--help", "--version"):
    app[flag].group = (OTHER,)
COMMANDS = {
    command.__name__: (command, examples)
    for module in (
        collect,
        inspect,
        learn,
        judge,
        use,
        label,
        adapt,
        recommend,
        alarm,
        retrieve,
        show,
        look,
        write,
        play,
    )
    for command, examples in module.COMMANDS
}
for place, (title, names) in enumerate(WAY.items()):
    group = Group(title, sort_key=place)
    for order, name in enumerate(names):
        command, examples = COMMANDS[name]
        command.__doc__ = flowing(command.__doc__ or "")
        app.command(command, group=group, sort_key=order, help_epilogue=examples or None)
