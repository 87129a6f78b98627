"""A warehouse as a plugin of nanolstm. Nothing heavy is imported before it is used."""

from nanolstm import hookimpl


@hookimpl
def nanolstm_register_sources(register):
    from nanolstm_warehouse.stock import load

    register("warehouse", load)


@hookimpl
def nanolstm_register_losses(register):
    from nanolstm_warehouse.shortage import shortage

    register("shortage", shortage)


@hookimpl
def nanolstm_register_cells(register):
    register("Shelf", "nanolstm_warehouse.shelf:Shelf")


@hookimpl
def nanolstm_register_commands(app):
    @app.command()
    def stocktaking(article: str):
        """Say how much of an article is there."""
        import typer

        import nanolstm as nl

        level = nl.load_data("warehouse", article)["level"]
        typer.echo(f"{article}: {level.iloc[-1]:.0f} on {level.index[-1].date()}")


@hookimpl(wrapper=True)
def nanolstm_load_data(request):
    from nanolstm_warehouse import ledger

    return (yield from ledger.entered(request))
