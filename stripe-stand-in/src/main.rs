//! Runs the stand-in on its own. Prints its URL and runs until Ctrl-C.

use std::io::{self, Read as _};
use std::process::ExitCode;

use stripe_stand_in::{Options, start};

const USAGE: &str = "\
usage: stripe-stand-in [--port PORT] [--state-file FILE] [--redirect-uri URL]… [--country CC] [--until-eof]
  --port PORT         the port on 127.0.0.1 (default: any free port)
  --state-file FILE   the file in which objects and balances are kept between runs
  --redirect-uri URL  a redirect URI for OAuth (default: any URL on this machine)
  --country CC        the platform's country, which decides its settlement currency (default: US)
  --until-eof         also stops when standard input ends";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stripe-stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> io::Result<()> {
    let mut options = Options::default();
    let mut until_eof = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| io::Error::other(format!("{word} needs a value\n{USAGE}")));
        match word.as_str() {
            "--port" => options.port = value()?.parse().map_err(|_| io::Error::other(format!("--port needs a number\n{USAGE}")))?,
            "--state-file" => options.state_file = Some(value()?.into()),
            "--redirect-uri" => options.redirect_uris.push(value()?),
            "--country" => options.country = value()?,
            "--until-eof" => until_eof = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(io::Error::other(format!("unknown argument {word}\n{USAGE}"))),
        }
    }
    let stand_in = start(options).await?;
    println!("{}", stand_in.url());
    let ended = async {
        match until_eof {
            true => tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()).map(drop)).await?,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        result = ended => result?,
        result = tokio::signal::ctrl_c() => result?,
    }
    stand_in.shutdown().await;
    // The thread that reads standard input may still be waiting, which would block the runtime.
    std::process::exit(0);
}
