//! Runs the local stack: see `make help`.

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: local dev | stack | reset

  dev    everything: the stand-ins, the storefront, and the functions
  stack  everything but the functions, for a `cargo lambda watch` of your own
  reset  deletes what earlier runs left in .local/";

#[tokio::main]
async fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dev"] => local::dev::dev(root).await,
        ["stack"] => local::dev::stack(root).await,
        ["reset"] => local::dev::reset(root),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
