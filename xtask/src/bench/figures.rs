//! Ratios of neighbours.

/// Of some rounds: the one in the middle, the smallest, the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) smallest: f64,
    pub(crate) largest: f64,
}

impl Spread {
    /// None: there are no values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (smallest, largest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self {
            median,
            smallest,
            largest,
        })
    }
}

/// What the same estimate says where nothing differs: each of `without` against the two beside it.
pub(crate) fn against_itself(without: &[f64]) -> Vec<f64> {
    without
        .windows(3)
        .map(|three| three[1] / f64::midpoint(three[0], three[2]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_compared_with_the_two_beside_it() {
        assert_eq!(against_itself(&[1.0, 3.0, 2.0]), [2.0]);
        assert!(against_itself(&[1.0, 2.0]).is_empty());
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.smallest, spread.largest), (2.0, 1.0, 4.0));
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
