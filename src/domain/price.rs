//! The price of a runner.

/// The cost of one runner per hour, in a currency that all pools of the fleet share: finite and at
/// least 0. It is only compared.
// The bits of floats that are not negative have the order of their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// `None` unless `per_hour` is finite and at least 0.
    pub fn new(per_hour: f64) -> Option<Self> {
        // The addition turns -0 into 0.
        (per_hour.is_finite() && per_hour >= 0.0).then(|| Self((per_hour + 0.0).to_bits()))
    }

    pub fn per_hour(self) -> f64 {
        f64::from_bits(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_the_order_of_their_numbers_and_none_is_negative() {
        let numbers = [0.0, 1e-300, 0.0464, 0.05, 0.1, 1.0, 2.0, 10.0, 1e300];
        let prices = numbers.map(|number| Price::new(number).unwrap());
        assert!(prices.is_sorted_by(|a, b| a < b));
        assert_eq!(prices.map(Price::per_hour), numbers);
        assert_eq!(Price::new(-0.0), Price::new(0.0));
        for number in [-1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Price::new(number), None);
        }
    }
}
