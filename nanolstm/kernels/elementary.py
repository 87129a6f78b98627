"""The elementary functions without a branch, so that a loop over any of them becomes a loop over vectors.

One text serves both precisions: the tables hold what differs, by width. Their polynomials were fitted by the Remez
exchange in 60 digits for the least greatest error of the function that they stand in. The methods:

- exp, expm1: W. J. Cody and W. Waite, Software Manual for the Elementary Functions (1980), ch. 6. x = k log(2) + r.
- log, log1p: fdlibm (Sun Microsystems), e_log.c and s_log1p.c, on both sides of sqrt(1/2) by integers as in musl.
- erf: in the two pieces that N. Juffa gave in 2016, x + x P(x^2) and 1 - exp(-x - x Q(x)).
- The error of a sum: D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanolstm.kernels.bits import Scalar, select

LOG_2 = {32: (0.693359375, -2.12194440e-4), 64: (6.93145751953125e-1, 1.42860682030941723212e-6)}
"""In two parts, of which the first times an exponent is exact."""

HALF_TANGENT = {
    32: ((60.077236, 1.0), (120.15447, 12.012863)),
    64: ((15131.470901452694, 420.2730825156195, 1.0), (30262.94180290539, 3362.4579819399605, 30.013650141524874)),
}
"""P and Q of r^2, of which P / Q is tanh(r / 2) / r for |r| up to log(2) / 2."""

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
    import os
    P = os.environ.get("POLY","0")
    if P in "012": pass
    else: P = "0" if len(coefficients) < int(P) else "1"
    if P=="0":
        *others, last = coefficients
        result = x * last + others.pop()
        for coefficient in reversed(others):
            result = result * x + coefficient
        return result
    if P=="2":
        y = x*x
        def h(c):
            *others, last = c
            if not others: return last
            result = y * last + others.pop()
            for coefficient in reversed(others):
                result = result * y + coefficient
            return result
        return x*h(coefficients[1::2])+h(coefficients[::2])
    terms = list(coefficients)
    while len(terms) > 1:
        terms = [x * b + a for a, b in zip(terms[::2], terms[1::2])] + terms[len(terms)//2*2:]
        x = x * x
    return terms[0]


def with_sign_of(x: Scalar, y: Scalar) -> Scalar:
    """`y`, which is not negative, with the sign of `x`."""
    return (y.bits | x.bits & x.layout.sign).real


def power_of_two(exponent: Scalar) -> Scalar:
    """2 ** (exponent - bias)."""
    return (exponent << exponent.layout.mantissa).real


def reduced(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """The integer k + 2 bias, k being the nearest to x / log(2), and p and q: (q + p) / (q - p) is exp(x - k log(2))."""
    layout = x.layout
    # Added to it, a number is rounded to an integer, which stands in the last bits.
    shift = 1.5 * 2.0**layout.mantissa
    shifted = x * (1 / math.log(2)) + shift
    k = shifted - shift
    high, low = LOG_2[layout.width]
    r = x - k * high - k * low
    over, under = HALF_TANGENT[layout.width]
    square = r * r
    biased = shifted.bits - (layout.bits(shift) - 2 * layout.bias)
    return biased, polynomial(square, over) * r, polynomial(square, under)


def fraction_of_exp(x: Scalar) -> tuple[Scalar, Scalar]:
    """Two numbers of which the first, divided by the second, is exp(x)."""
    k, p, q = reduced(x)
    # In two steps, since 2 ** k alone may be beyond the largest number, or below the least.
    half = k >> 1
    return (q + p) * power_of_two(half) * power_of_two(k - half), q - p


def below(x: Scalar, bound: float) -> Scalar:
    """`x`, or `bound` if that is less."""
    return select(x > bound, bound, x)


def above(x: Scalar, bound: float) -> Scalar:
    """`x`, or `bound` if that is more."""
    return select(x < bound, bound, x)


def exp(x: Scalar) -> Scalar:
    """The exponential."""
    low, high = EXP_BOUNDS[x.layout.width]
    over, under = fraction_of_exp(above(below(x, high), low))
    return over / under


def expm1(x: Scalar) -> Scalar:
    """exp(x) - 1, accurate near 0 too."""
    k, p, q = reduced(above(below(x, EXP_BOUNDS[x.layout.width][1]), -64.0))
    half = power_of_two(k - (x.layout.bias + 1))  # the whole may be beyond the largest number
    result = ((half - 0.5) * q + (half + 0.5) * p) / (q - p) * 2.0
    return select(absolute(x) < TINY[x.layout.width], x, result)


def tanh(x: Scalar) -> Scalar:
    """The hyperbolic tangent."""
    size = below(absolute(x), TANH_BOUND[x.layout.width])
    k, p, q = reduced(size + size)
    scale = power_of_two(k - x.layout.bias)
    over = (scale - 1.0) * q + (scale + 1.0) * p
    return with_sign_of(x, over / ((q - p) * 2.0 + over))


def exp_of_minus(x: Scalar) -> tuple[Scalar, Scalar]:
    """Two numbers of which the first, divided by the second, is exp(-|x|)."""
    return fraction_of_exp(above(-absolute(x), EXP_BOUNDS[x.layout.width][0]))


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
    """log(exp(a) + exp(b)). Where that is close to 0, its error is that of the greater operand."""
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


def log(x: Scalar) -> Scalar:
    """The natural logarithm."""
    layout = x.layout
    digits = layout.mantissa + 2
    subnormal = x < 2.0 ** (1 - layout.bias)
    result = logarithm(select(subnormal, x * 2.0**digits, x))
    result = result - select(subnormal, digits * math.log(2), 0.0)
    return at_the_ends(x, x, result)


def at_the_ends(x: Scalar, u: Scalar, result: Scalar) -> Scalar:
    """The logarithm `result` of `u`, but what it is of 0, of a negative or infinite number and of NaN."""
    result = select(u < math.inf, result, x)
    result = select(u == 0.0, -math.inf, result)
    return select(u < 0.0, math.nan, result)


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
    t = select(size > most, most, size)
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
