"""The elementary functions without a branch, so that a loop over any of them becomes a loop over vectors.

One text serves both precisions: the tables hold what differs, by width. Their polynomials were fitted by the Remez
exchange in 60 digits, for the least greatest error of the function that they stand in. The methods:

- exp and what is made of it: x = k log(2) + r after W. J. Cody and W. Waite, Software Manual for the Elementary
  Functions (1980), ch. 6, and exp(r) = (q + r) / (q - r) after fdlibm (Sun Microsystems), e_exp.c. Since r is exact
  there, tanh, sigmoid and softplus lose little in it, and need no division but their own.
- log, log1p: t + t^3 P(t^2) with t = 2 f / (2 + f) for 1 + f from sqrt(1/2) to sqrt(2), after fdlibm, e_log.c, split by
  integers as in musl's log1p.c.
- erf: in the two pieces that N. Juffa gave in 2016, x + x P(x^2) and 1 - exp(-x - x Q(x)).
- The error of a sum: D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanolstm.kernels.bits import Scalar, select

LOG_2 = {32: (0.693359375, -2.12194440e-4), 64: (6.93145751953125e-1, 1.42860682030941723212e-6)}
"""In two parts, of which the first times an exponent is exact."""

EXP = {
    32: (2.0, 0.16666625, -0.002766753),
    64: (
        2.0,
        0.16666666666666602,
        -0.0027777777777014535,
        6.613756321135506e-05,
        -1.653390184166026e-06,
        4.138121741780148e-08,
    ),
}
"""r (exp(r) + 1) / (exp(r) - 1) of r^2, for |r| up to log(2) / 2."""

LOG = {
    32: (0.08333347, 0.012492977, 0.002333781),
    64: (
        0.08333333333333418,
        0.012499999999817747,
        0.002232142870483138,
        0.00043402731589474756,
        8.878693915050193e-05,
        1.869386176724516e-05,
        4.51553309507917e-06,
    ),
}
"""(log((2 + t) / (2 - t)) - t) / t^3 of t^2, for (2 + t) / (2 - t) from sqrt(1/2) to sqrt(2)."""

LOG_TO_TWO = {
    32: (0.083333015, 0.012506778, 0.0021874406, 0.0005473474),
    64: (
        0.08333333333333288,
        0.012500000000048916,
        0.0022321428553065477,
        0.00043402781184026404,
        8.87780470069625e-05,
        1.8782419559809798e-05,
        4.0591411503225995e-06,
        9.236108085894021e-07,
        1.5908429658740362e-07,
        8.114719113042575e-08,
    ),
}
"""The same for (2 + t) / (2 - t) from 1 to 2."""

ERF_NEAR = {
    32: (0.12837915, -0.37612486, 0.11281721, -0.026763123, 0.004988003, -0.0005964252),
    64: (
        0.12837916709551256,
        -0.3761263890318352,
        0.11283791670944185,
        -0.02686617064311148,
        0.005223977606118598,
        -0.0008548325929319941,
        0.00012055293577027264,
        -1.49247123036256e-05,
        1.644713158143662e-06,
        -1.6206313769690034e-07,
        1.3710980202645715e-08,
        -7.779467751091709e-10,
    ),
}
"""erf(x) / x - 1 of x^2, for |x| up to the first bound below."""

ERF_FAR = {
    32: (0.12851435, 0.6357184, 0.10526174, -0.022889894, 0.0032149316, -0.0002139818),
    64: (
        0.12837888597992728,
        0.6366223858462855,
        0.10276143512613635,
        -0.019099480310318745,
        -0.00025975634198193337,
        0.001758034265092733,
        -0.0006426582020617044,
        5.373917538730743e-05,
        6.098612328992034e-05,
        -3.8894553753111966e-05,
        1.3638247274573907e-05,
        -3.3257357106710203e-06,
        5.891780580440655e-07,
        -7.50779085925451e-08,
        6.5570410025240716e-09,
        -3.5229965427552676e-10,
        8.79008994149755e-12,
    ),
}
"""-log(erfc(x)) / x - 1, for x between the two bounds."""

ERF_BOUNDS = {32: (0.925, 3.93), 64: (1.0, 5.94)}
"""Where the near piece ends, and from where erf is 1."""

EXP_BOUNDS = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
"""Below, exp is 0, and above it is infinite."""

TANH_BOUND = {32: 9.1, 64: 19.1}
"""From where tanh is 1."""

TINY = {32: 2.0**-26, 64: 2.0**-55}
"""Below, x + x^2 is x."""


def polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """The sum of `coefficients` times the powers of `x` from 0 on."""
    *others, last = coefficients
    result = x * last + others.pop()
    for coefficient in reversed(others):
        result = result * x + coefficient
    return result


def with_sign_of(x: Scalar, y: Scalar) -> Scalar:
    """`y`, which is not negative, with the sign of `x`."""
    return (y.bits | x.bits & x.layout.sign).real


def power_of_two(exponent: Scalar) -> Scalar:
    """2 ** (exponent - bias)."""
    return (exponent << exponent.layout.mantissa).real


def reduced(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """The integer k + 2 bias, where k is nearest to x / log(2), and q and r: (q + r) / (q - r) is exp(x - k log(2))."""
    layout = x.layout
    # Added to it, a number is rounded to an integer, which stands in the last bits.
    shift = 1.5 * 2.0**layout.mantissa
    shifted = x * (1 / math.log(2)) + shift
    k = shifted - shift
    high, low = LOG_2[layout.width]
    r = x - k * high - k * low
    biased = shifted.bits - (layout.bits(shift) - 2 * layout.bias)
    return biased, polynomial(r * r, EXP[layout.width]), r


def scaled(x: Scalar, k: Scalar) -> Scalar:
    """`x` times 2 ** (k - 2 bias), in two steps, since the power may be beyond the greatest number or the least."""
    half = k >> 1
    return x * power_of_two(half) * power_of_two(k - half)


def below(x: Scalar, bound: float) -> Scalar:
    """`x`, or `bound` if that is less."""
    return select(x > bound, bound, x)


def above(x: Scalar, bound: float) -> Scalar:
    """`x`, or `bound` if that is more."""
    return select(x < bound, bound, x)


def exp(x: Scalar) -> Scalar:
    """The exponential."""
    low, high = EXP_BOUNDS[x.layout.width]
    k, q, r = reduced(above(below(x, high), low))
    return scaled((q + r) / (q - r), k)


def expm1(x: Scalar) -> Scalar:
    """exp(x) - 1, accurate near 0 too."""
    k, q, r = reduced(above(below(x, EXP_BOUNDS[x.layout.width][1]), -64.0))
    most = r + r * ((2.0 - q + r) / (q - r))  # 2 r / (q - r), with its error in the lesser part
    half = power_of_two(k - (x.layout.bias + 1))  # the whole may be beyond the greatest number
    result = (half * most + (half - 0.5)) * 2.0
    return select(absolute(x) < TINY[x.layout.width], x, result)


def tanh(x: Scalar) -> Scalar:
    """The hyperbolic tangent."""
    size = below(absolute(x), TANH_BOUND[x.layout.width])
    k, q, r = reduced(size + size)
    scale = power_of_two(k - x.layout.bias)
    over = (scale - 1.0) * q + (scale + 1.0) * r
    return with_sign_of(x, over / ((q - r) * 2.0 + over))


def exp_of_minus(x: Scalar) -> tuple[Scalar, Scalar]:
    """Two numbers of which the first, divided by the second, is exp(-|x|)."""
    k, q, r = reduced(above(-absolute(x), EXP_BOUNDS[x.layout.width][0]))
    return scaled(q + r, k), q - r


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + exp(-x)), accurate far below 0 too."""
    over, under = exp_of_minus(x)
    return select(x < 0.0, over, under) / (over + under)


def log_of_one_and(over: Scalar, under: Scalar) -> Scalar:
    """log(1 + over / under), for quotients from 0 to 1."""
    t = over / (over * 0.5 + under)
    return polynomial(t * t, LOG_TO_TWO[t.layout.width]) * (t * t * t) + t


def softplus(x: Scalar) -> Scalar:
    """log(1 + exp(x)), accurate far below 0 too."""
    return above(x, 0.0) + log_of_one_and(*exp_of_minus(x))


def logaddexp(a: Scalar, b: Scalar) -> Scalar:
    """log(exp(a) + exp(b)). Where that is close to 0, it keeps the rounding of the greater operand and of a - b."""
    distance = select(a == b, 0.0, a - b)  # two equal infinite operands have none
    return maximum(a, b) + log_of_one_and(*exp_of_minus(distance))


def logarithm(u: Scalar, error: Scalar | None = None) -> Scalar:
    """log(u + error) of a normal number `u`."""
    layout = u.layout
    # Twice the fraction above sqrt(2), so that it lies on both sides of 1.
    middle = layout.bits(math.sqrt(0.5))
    moved = u.bits + (layout.bits(1.0) - middle)
    exponent = moved >> layout.mantissa
    fraction = ((moved & ((1 << layout.mantissa) - 1)) + middle).real
    shift = 2.0**layout.mantissa
    k = (exponent | layout.bits(shift)).real - (shift + layout.bias)
    f = fraction - 1.0
    if error is not None:
        f = error * 0.5 * power_of_two(2 * layout.bias + 1 - exponent) + f
    t = f / (f * 0.5 + 1.0)
    high, low = LOG_2[layout.width]
    return k * high + (polynomial(t * t, LOG[layout.width]) * (t * t * t) + k * low + t)


def at_the_ends(x: Scalar, u: Scalar, result: Scalar) -> Scalar:
    """`result`, the logarithm of `u`, but what it is where that is 0, negative, infinite or NaN."""
    result = select(u < math.inf, result, x)
    result = select(u == 0.0, -math.inf, result)
    return select(u < 0.0, math.nan, result)


def log(x: Scalar) -> Scalar:
    """The natural logarithm."""
    layout = x.layout
    digits = layout.mantissa + 2
    subnormal = x < 2.0 ** (1 - layout.bias)
    result = logarithm(select(subnormal, x * 2.0**digits, x))
    return at_the_ends(x, x, result - select(subnormal, digits * math.log(2), 0.0))


def log1p(x: Scalar) -> Scalar:
    """log(1 + x), accurate near 0 too."""
    u = x + 1.0
    most = u - 1.0
    result = logarithm(u, (x - most) + (1.0 - (u - most)))
    return select(absolute(x) < TINY[x.layout.width], x, at_the_ends(x, u, result))


def erf(x: Scalar) -> Scalar:
    """The error function."""
    width = x.layout.width
    size, (near, most) = absolute(x), ERF_BOUNDS[width]
    within = polynomial(x * x, ERF_NEAR[width]) * x + x
    t = below(size, most)
    beyond = 1.0 - exp(-(polynomial(t, ERF_FAR[width]) * t + t))
    return select(size < near, within, with_sign_of(x, beyond))


def sqrt(x: Scalar) -> Scalar:
    """The square root."""
    return x.call("sqrt")


def absolute(x: Scalar) -> Scalar:
    """The absolute value."""
    return (x.bits & (x.layout.sign - 1)).real


def sign(x: Scalar) -> Scalar:
    """-1, 0 or 1, and NaN of NaN."""
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x + 0.0))


def floor(x: Scalar) -> Scalar:
    """The greatest integer that is not above."""
    return x.call("floor")


def maximum(a: Scalar, b: Scalar) -> Scalar:
    """The greater, and NaN if either is."""
    return select((a >= b) | (a != a), a, b)


def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The lesser, and NaN if either is."""
    return select((b >= a) | (a != a), a, b)


def power(a: Scalar, b: Scalar) -> Scalar:
    """`a` to the power of `b`."""
    return a.call("pow", b)


def mod(a: Scalar, b: Scalar) -> Scalar:
    """The remainder with the sign of the divisor."""
    rest = a % b
    opposite = (rest < 0.0) ^ (b < 0.0)
    moved = select(opposite, rest + b, rest)
    return select(rest == 0.0, with_sign_of(b, absolute(rest)), moved)


def sin(x: Scalar) -> Scalar:
    """The sine."""
    return x.call("sin")


def cos(x: Scalar) -> Scalar:
    """The cosine."""
    return x.call("cos")
