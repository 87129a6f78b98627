"""The hooks of the plugin my_name: what it registers, and under which names.

nanolstm imports this module when it first looks for plugins, so whatever takes long to
import is imported where it is used.
"""

from nanolstm import hookimpl


@hookimpl
def nanolstm_register_sources(register):
    """`--source my_name`, `nl.load_data("my_name", ...)`."""
    from nanolstm_my_name.source import load

    register("my_name", load)


@hookimpl
def nanolstm_register_losses(register):
    """`--loss my_name_loss`, `nl.loss("my_name_loss")`."""
    from nanolstm_my_name.loss import loss

    register("my_name_loss", loss)


@hookimpl
def nanolstm_register_cells(register):
    """`--cell MyNameCell`; its module is imported when it is first used."""
    register("MyNameCell", "nanolstm_my_name.cell:MyNameCell")
