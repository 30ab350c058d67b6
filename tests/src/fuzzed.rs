//! What `make fuzz` does on a large scale: runs the seeds, and randomly changed seeds.

use std::panic::catch_unwind;
use std::path::Path;

/// How many changed seeds each target gets. `FUZZED=10000` tries more, `FUZZED_SEED=2` others.
const TRIES: u64 = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it is read").path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).expect("it is read")).collect()
}

/// Removes, repeats, swaps or invents bytes, or inserts half of another seed.
fn change(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=data.len());
        match random.u8(..6) {
            0 if at < data.len() => drop(data.remove(at)),
            1 if at < data.len() => data[at] ^= 1 << random.u8(..8),
            2 => data.insert(at, random.u8(..)),
            3 => data.truncate(at),
            4 => data.extend(std::iter::repeat_n(random.choice(*b"{}[]\",:;=&%0-9.\xff\0").expect("one"), random.usize(1..64))),
            _ => {
                let other = &seeds[random.usize(..seeds.len())];
                data.truncate(at);
                data.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
        }
    }
    data
}

fn hold(target: &str, run: fn(&[u8]), data: &[u8]) {
    if catch_unwind(|| run(data)).is_err() {
        panic!("{target} fails on {:?}: keep it in fuzz/seeds/{target}", String::from_utf8_lossy(data));
    }
}

fn try_all(name: &str) {
    let (_, run) = *fuzzed::TARGETS.iter().find(|(target, _)| *target == name).expect("there is such a target");
    let seeds = seeds(name);
    assert!(!seeds.is_empty());
    for seed in &seeds {
        hold(name, run, seed);
    }
    let mut random = fastrand::Rng::with_seed(number("FUZZED_SEED").unwrap_or(1));
    for _ in 0..number("FUZZED").unwrap_or(TRIES) {
        hold(name, run, &change(&mut random, &seeds));
    }
}

#[test]
fn any_body_of_a_webhook_is_answered() {
    try_all("webhook_body");
}

#[test]
fn any_signature_of_a_webhook_is_refused() {
    try_all("webhook_signature");
}

#[test]
fn any_cursor_is_answered() {
    try_all("cursor");
}

#[test]
fn any_cookie_is_answered() {
    try_all("cookie");
}

#[test]
fn any_query_is_answered() {
    try_all("query");
}

#[test]
fn any_return_from_the_consent_page_leads_to_the_storefront() {
    try_all("oauth_callback");
}

#[test]
fn every_target_is_one_of_libfuzzers() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for (target, _) in fuzzed::TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), fuzzed::TARGETS.len());
}
