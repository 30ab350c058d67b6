//! The configuration of property tests.

use proptest::test_runner::{Config, RngSeed};

/// Runs this many cases, the same ones every time. `PROPTEST_CASES` changes their number, `PROPTEST_RNG_SEED` their content.
///
/// A failing case is printed in its smallest form and should become a separate test; no file stores it.
pub(crate) fn trials(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}
