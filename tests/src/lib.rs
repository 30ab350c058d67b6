//! Tests.

#[cfg(test)]
mod api;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod simulation;
