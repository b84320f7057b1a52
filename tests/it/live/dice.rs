//! A small generator of numbers, so that a seed tells the whole script of a run.

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

/// Spreads nearby seeds: the last step of `SplitMix64`.
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

impl Dice {
    /// Dice of their own for whoever is named: step 7 of writer 3 throws the same numbers again,
    /// whatever the steps before it met.
    pub(crate) fn of(seed: u64, who: u64, step: u64) -> Self {
        Self(mixed(mixed(mixed(seed) ^ who) ^ step) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    /// A number below `sides`, for signed columns.
    pub(crate) fn small(&mut self, sides: u64) -> i64 {
        i64::try_from(self.roll(sides)).unwrap()
    }

    /// True once in `times` throws.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    /// One of several.
    pub(crate) fn any<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.roll(u64::try_from(of.len()).unwrap());
        &of[usize::try_from(place).unwrap()]
    }
}
