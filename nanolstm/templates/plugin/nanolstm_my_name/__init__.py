"""What the plugin my_name registers, and under which names.

nanolstm imports this module when it first looks for plugins, so whatever takes long to
import is imported where it is used.
"""

from nanolstm import hookimpl


@hookimpl
def nanolstm_register_sources(register):
    """`--source my_name`, and `nl.load_data` in Python."""
    from nanolstm_my_name.source import load

    register("my_name", load)


@hookimpl
def nanolstm_register_losses(register):
    """`--loss my_name_loss`, and `nl.loss` in Python."""
    from nanolstm_my_name.loss import loss

    register("my_name_loss", loss)


@hookimpl
def nanolstm_register_cells(register):
    """`--cell MyNameCell`; a cell is imported when it is first used."""
    register("MyNameCell", f"{__name__}.cell:MyNameCell")
