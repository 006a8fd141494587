//! `pi`: its first digits, cut and not rounded.

use async_trait::async_trait;
use num_bigint::BigInt;

use crate::error::{Error, Result};
use crate::function::{Answer, Arguments, Function, Kind, Retention, Spec, View};

/// The most digits there are to have: they take milliseconds.
const DIGITS_MAX: i64 = 10_000;

/// Different calls whose digits are kept: a megabyte at most.
const CALLS_MAX: u64 = 100;

pub(super) struct Pi(Spec);

impl Pi {
    pub(super) fn new() -> Self {
        let spec = Spec::new("pi", "Answers pi, cut after so many significant digits.");
        let digits = Kind::Integer { min: 1, max: DIGITS_MAX };
        let spec = spec.kept(Retention::Memory { calls_max: Some(CALLS_MAX) });
        Self(spec.takes("significant_digits", digits, "How many digits, the 3 before the point included."))
    }
}

#[async_trait]
impl Function for Pi {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, arguments: &Arguments, _view: &View) -> Result<Answer> {
        let digits = arguments.integer("significant_digits").unsigned_abs() as usize;
        // Ten thousand digits would hold an async worker for milliseconds.
        let pi = tokio::task::spawn_blocking(move || pi(digits)).await;
        pi.map(Answer::Text).map_err(|cause| Error::FunctionFailed { function: self.0.name.clone(), cause: cause.into() })
    }
}

/// The first `digits` digits of pi, with the point.
///
/// Source: D. V. and G. V. Chudnovsky's series, 14 digits a term, summed by binary splitting.
fn pi(digits: usize) -> String {
    // More than the sum and the root lose at their ends; among the first 10 000 digits no run of nines is so long.
    const SPARE_DIGITS: usize = 20;
    let terms = (digits + SPARE_DIGITS) / 14 + 2;
    let Split { q, t, .. } = split(0, terms as i64);
    let one = BigInt::from(10).pow((digits + SPARE_DIGITS) as u32);
    let root = (BigInt::from(10_005) * &one * &one).sqrt();
    let pi: BigInt = q * 426_880 * root / t;
    let mut text = pi.to_string();
    text.truncate(digits);
    if digits > 1 {
        text.insert(1, '.');
    }
    text
}

/// The terms from `first` to before `last` as one fraction.
struct Split {
    p: BigInt,
    q: BigInt,
    t: BigInt,
}

fn split(first: i64, last: i64) -> Split {
    if last - first > 1 {
        let middle = (first + last) / 2;
        let (left, right) = (split(first, middle), split(middle, last));
        let t = &right.q * left.t + &left.p * right.t;
        return Split { p: left.p * right.p, q: left.q * right.q, t };
    }
    let (p, q) = match first {
        0 => (BigInt::from(1), BigInt::from(1)),
        n => {
            let p = BigInt::from(6 * n - 5) * (2 * n - 1) * (6 * n - 1);
            // 640320³ / 24
            (p, BigInt::from(n).pow(3) * 10_939_058_860_032_000_i64)
        }
    };
    let t = &p * (13_591_409 + 545_140_134 * first);
    Split { t: if first % 2 == 0 { t } else { -t }, p, q }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn pi_is_cut_and_not_rounded() {
        assert_eq!(pi(1), "3");
        assert_eq!(pi(2), "3.1");
        // 3.14159|2
        assert_eq!(pi(6), "3.14159");
        // 3.1415926535|8: rounded, it would end in 6.
        assert_eq!(pi(11), "3.1415926535");
        assert_eq!(pi(50), "3.1415926535897932384626433832795028841971693993751");
        let most = pi(10_000);
        for digits in [100, 762, 763, 999, 5_000, 9_999] {
            assert!(most.starts_with(&pi(digits)), "{digits}");
        }
    }

    #[test]
    fn ten_thousand_digits_are_those_that_another_series_gives() {
        // Machin's formula in Python integers: 16 arctan(1/5) - 4 arctan(1/239).
        let hash: String = Sha256::digest(pi(10_000)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "1f08958df70c30bbf3f7205ad5f9b2b9430e3378b4e4e6300063bd9fbd83d6e3");
    }
}
