"""Recurrent models as scikit-learn estimators.

```python
import numpy as np
from nanolstm.estimators import RecurrentRegressor

x = np.random.default_rng(0).normal(size=(60, 10, 2))              # 60 sequences of 10 steps, 2 features
y = x[..., 0].mean(axis=1)                                         # one number for each
model = RecurrentRegressor(hidden=4, epochs=5, random_state=0).fit(x, y)
model.predict(x).shape                                             # (60,)
```
"""

from typing import TYPE_CHECKING

from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.estimators.classifier import RecurrentClassifier as RecurrentClassifier
    from nanolstm.estimators.forecaster import RecurrentForecaster as RecurrentForecaster
    from nanolstm.estimators.regressor import RecurrentRegressor as RecurrentRegressor

_HOMES = {
    "RecurrentClassifier": "classifier",
    "RecurrentForecaster": "forecaster",
    "RecurrentRegressor": "regressor",
}

__all__ = ["RecurrentClassifier", "RecurrentForecaster", "RecurrentRegressor"]
__getattr__, __dir__ = offer(__name__, _HOMES)
