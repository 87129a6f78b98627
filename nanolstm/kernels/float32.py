"""The elementary functions of float32, for compiled code to call."""

from numba import float32

from nanolstm.kernels import bits, elementary

exp = bits.emitted(elementary.exp, float32)
expm1 = bits.emitted(elementary.expm1, float32)
log = bits.emitted(elementary.log, float32)
log1p = bits.emitted(elementary.log1p, float32)
tanh = bits.emitted(elementary.tanh, float32)
sigmoid = bits.emitted(elementary.sigmoid, float32)
softplus = bits.emitted(elementary.softplus, float32)
logaddexp = bits.emitted(elementary.logaddexp, float32)
erf = bits.emitted(elementary.erf, float32)
sqrt = bits.emitted(elementary.sqrt, float32)
absolute = bits.emitted(elementary.absolute, float32)
sign = bits.emitted(elementary.sign, float32)
floor = bits.emitted(elementary.floor, float32)
maximum = bits.emitted(elementary.maximum, float32)
minimum = bits.emitted(elementary.minimum, float32)
power = bits.emitted(elementary.power, float32)
mod = bits.emitted(elementary.mod, float32)
sin = bits.emitted(elementary.sin, float32)
cos = bits.emitted(elementary.cos, float32)
select = bits.emitted(bits.select, float32, conditions=1)
