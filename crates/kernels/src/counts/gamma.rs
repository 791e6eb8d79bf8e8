//! ln Γ, its derivative ψ, and their differences over a count, in f64. No likelihood here.
//!
//! Method: Stirling's series (Abramowitz & Stegun 1964, 6.1.41 and 6.3.18) for arguments of at least ten, reached from
//! smaller ones by Γ(a + 1) = a Γ(a). Over a positive argument below 1e300 the error is at most 1e-14 of max(1, |value|)
//! for all four functions (`tests/gamma.rs` holds them to SciPy and mpmath).

/// Stirling's series is exact to rounding from here on.
const FAR: f64 = 10.0;

/// Counts up to which Γ(a + x) / Γ(a) is multiplied out.
const MULTIPLIED: f64 = 32.0;

/// A product grows no further than this before its logarithm is taken.
const LARGE: f64 = 1e250;

/// ½ ln 2π.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// ln Γ(a), a > 0.
#[must_use]
pub fn ln_gamma(a: f64) -> f64 {
    let steps = steps_to_far(a);
    let far = a + steps;
    (far - 0.5) * far.ln() - far + HALF_LN_TAU + stirling(far) - ln_product(a, steps)
}

/// ψ(a) = d ln Γ(a) / da, a > 0.
#[must_use]
pub fn digamma(a: f64) -> f64 {
    let steps = steps_to_far(a);
    let far = a + steps;
    far.ln() + stirling_slope(far) - sum_of_inverses(a, steps)
}

/// ln Γ(a + x) − ln Γ(a) without the cancellation of the two, a > 0 and x ≥ 0.
#[must_use]
pub fn ln_rising(a: f64, x: f64) -> f64 {
    if x <= MULTIPLIED && x.fract() == 0.0 {
        return ln_product(a, x);
    }
    let steps = steps_to_far(a);
    let far = a + steps;
    let rise = (far - 0.5) * (x / far).ln_1p() + x * (far + x).ln() - x + stirling(far + x) - stirling(far);
    rise + ln_product(a, steps) - ln_product(a + x, steps)
}

/// ψ(a + x) − ψ(a) without the cancellation of the two, a > 0 and x ≥ 0.
#[must_use]
pub fn digamma_rise(a: f64, x: f64) -> f64 {
    if x <= MULTIPLIED && x.fract() == 0.0 {
        return sum_of_inverses(a, x);
    }
    let steps = steps_to_far(a);
    let far = a + steps;
    let rise = (x / far).ln_1p() + stirling_slope(far + x) - stirling_slope(far);
    rise + sum_of_inverses(a, steps) - sum_of_inverses(a + x, steps)
}

/// How many whole steps lead from `a` to [`FAR`]; 0 for what is no number.
fn steps_to_far(a: f64) -> f64 {
    if a < FAR { (FAR - a).ceil() } else { 0.0 }
}

/// ln of a·(a + 1) ⋯ (a + steps − 1).
fn ln_product(a: f64, steps: f64) -> f64 {
    let (mut product, mut sum, mut k) = (1.0, 0.0, 0.0);
    while k < steps {
        product *= a + k;
        k += 1.0;
        if product > LARGE {
            sum += product.ln();
            product = 1.0;
        }
    }
    sum + f64::ln(product)
}

/// 1/a + 1/(a + 1) + ⋯ + 1/(a + steps − 1).
fn sum_of_inverses(a: f64, steps: f64) -> f64 {
    let (mut sum, mut k) = (0.0, 0.0);
    while k < steps {
        sum += 1.0 / (a + k);
        k += 1.0;
    }
    sum
}

/// ln Γ(a) − (a − ½) ln a + a − ½ ln 2π, a ≥ [`FAR`].
fn stirling(a: f64) -> f64 {
    const TERMS: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let inverse = 1.0 / a;
    inverse * polynomial(&TERMS, inverse * inverse)
}

/// ψ(a) − ln a, a ≥ [`FAR`].
fn stirling_slope(a: f64) -> f64 {
    const TERMS: [f64; 7] =
        [-1.0 / 12.0, 1.0 / 120.0, -1.0 / 252.0, 1.0 / 240.0, -1.0 / 132.0, 691.0 / 32_760.0, -1.0 / 12.0];
    let inverse = 1.0 / a;
    let square = inverse * inverse;
    square * polynomial(&TERMS, square) - 0.5 * inverse
}

fn polynomial(terms: &[f64], x: f64) -> f64 {
    terms.iter().rev().fold(0.0, |sum, term| sum * x + term)
}
