//! How properties are tried.

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same at every run. `PROPTEST_CASES` tries others in number, `PROPTEST_RNG_SEED` others in kind.
///
/// A case that fails is printed in its smallest form, and becomes a test of its own; no file keeps it.
pub(crate) fn trials(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}
