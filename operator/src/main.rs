//! What an operator does from a terminal. It reads the same environment as the functions do.

use std::process::ExitCode;

use operator::{Failure, fixtures, is_local, staff, table};
use shared::app::App;

const USAGE: &str = "usage: operator table          makes the table, at a local endpoint only
       operator fixtures       writes test users and courses, at a local endpoint only
       operator staff EMAIL    makes the user with this e-mail address a member of staff";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("operator: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<String, Failure> {
    let endpoint = shared::aws::endpoint("DYNAMODB");
    let local = endpoint.as_deref().is_some_and(is_local);
    match arguments {
        ["table" | "fixtures"] if !local => {
            Err("set AWS_ENDPOINT_URL_DYNAMODB to a local DynamoDB; a deployed table is made by template.yaml \
                                                 and gets no test users"
                .into())
        }
        ["staff", _] if !local && std::env::var_os("AWS_ACCESS_KEY_ID").is_none() => {
            Err("put AWS credentials into the environment: eval \"$(aws configure export-credentials --format env)\"".into())
        }
        ["table"] => {
            let app = App::from_env()?;
            table::create(&shared::aws::dynamodb(&app.aws, endpoint), &app.config.table_name).await
        }
        ["fixtures"] => fixtures::write(&App::from_env()?).await,
        ["staff", email] => staff::appoint(&App::from_env()?, email).await,
        _ => Err(USAGE.into()),
    }
}
