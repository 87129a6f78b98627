"""Pictures of models, trainings and forecasts. Each function answers with a matplotlib `Figure`.

```python
import numpy as np
import nanolstm as nl

model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
x = np.random.default_rng(1).normal(size=(60, 2))
figure = nl.plot.gates(model, model.record(x))
nl.plot.save(figure, "gates.png")
```

A notebook shows a figure by itself. matplotlib is imported when the first one is drawn, `pyplot` never, so that nothing
depends on a screen.
"""

from typing import TYPE_CHECKING

from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.plot.comparing import learning_curves as learning_curves
    from nanolstm.plot.files import check_picture as check_picture
    from nanolstm.plot.files import save as save
    from nanolstm.plot.forecasts import errors_by_horizon as errors_by_horizon
    from nanolstm.plot.forecasts import forecast as forecast
    from nanolstm.plot.lags import gradient_by_lag as gradient_by_lag
    from nanolstm.plot.learning import learning_curve as learning_curve
    from nanolstm.plot.over_time import gates as gates
    from nanolstm.plot.run import draw_run as draw_run
    from nanolstm.plot.saturated import saturation as saturation

_MODULES = {
    "comparing": ("learning_curves",),
    "files": ("check_picture", "save"),
    "forecasts": ("errors_by_horizon", "forecast"),
    "lags": ("gradient_by_lag",),
    "learning": ("learning_curve",),
    "over_time": ("gates",),
    "run": ("draw_run",),
    "saturated": ("saturation",),
}

__all__ = [name for names in _MODULES.values() for name in names]
__getattr__, __dir__ = offer(__name__, {name: module for module, names in _MODULES.items() for name in names})
