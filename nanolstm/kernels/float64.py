"""The elementary functions of float64, for compiled code to call."""

from numba import float64

from nanolstm.kernels import bits, elementary

exp = bits.emitted(elementary.exp, float64)
expm1 = bits.emitted(elementary.expm1, float64)
log = bits.emitted(elementary.log, float64)
log1p = bits.emitted(elementary.log1p, float64)
tanh = bits.emitted(elementary.tanh, float64)
sigmoid = bits.emitted(elementary.sigmoid, float64)
softplus = bits.emitted(elementary.softplus, float64)
logaddexp = bits.emitted(elementary.logaddexp, float64)
erf = bits.emitted(elementary.erf, float64)
sqrt = bits.emitted(elementary.sqrt, float64)
absolute = bits.emitted(elementary.absolute, float64)
sign = bits.emitted(elementary.sign, float64)
floor = bits.emitted(elementary.floor, float64)
maximum = bits.emitted(elementary.maximum, float64)
minimum = bits.emitted(elementary.minimum, float64)
power = bits.emitted(elementary.power, float64)
mod = bits.emitted(elementary.mod, float64)
sin = bits.emitted(elementary.sin, float64)
cos = bits.emitted(elementary.cos, float64)
select = bits.emitted(bits.select, float64, conditions=1)
