//! An operator's commands. They read the same environment as the functions.

use std::process::ExitCode;

use operator::endpoints::Secret;
use operator::restore::{Mode, Tables};
use operator::tokens::Work;
use operator::{Failure, endpoints, fixtures, is_local, passwords, restore, second_factor, staff, table, tokens};
use shared::app::App;
use shared::settings::secrets;
use shared::stripe::Gateway;

const USAGE: &str = "usage: operator table          create the table (local endpoints only)
       operator fixtures       write test users and courses (local endpoints only)
       operator staff EMAIL    make the user with this e-mail address a staff member
       operator passwords      move password hashes that are still on user profiles to the credentials table
       operator restore TABLE CREDENTIALS-TABLE [--copy]   compare the tables with these, which DynamoDB restored, and
                               put back what was lost
       operator second-factor-off EMAIL   let a user who has lost app and recovery codes log in without them
       operator tokens renew [EMAIL]   have Stripe issue new OAuth tokens for one seller or for all, and seal them
       operator tokens seal [EMAIL]    seal OAuth tokens again that were sealed with an older key
       operator stripe-setup   register the webhook endpoints at PUBLIC_API_URL with Stripe, for snapshots and thin
                               events, and store their signing secrets in the secret; uses the key STRIPE_SETUP_KEY if it is set";

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
    let endpoint = shared::cloud::aws::endpoint("DYNAMODB");
    let local = endpoint.as_deref().is_some_and(is_local);
    match arguments {
        ["table" | "fixtures"] if !local => {
            Err("set AWS_ENDPOINT_URL_DYNAMODB to a local DynamoDB; template.yaml creates the deployed table, \
                                                 which gets no test users"
                .into())
        }
        ["staff" | "second-factor-off", _] | ["passwords"] | ["tokens" | "restore", ..] | ["stripe-setup"]
            if !local && std::env::var_os("AWS_ACCESS_KEY_ID").is_none() =>
        {
            Err("set AWS credentials in the environment: eval \"$(aws configure export-credentials --format env)\"".into())
        }
        ["table"] => {
            let app = App::from_env()?;
            table::create(&shared::cloud::aws::dynamodb(&app.aws, endpoint), &app.config.table_name).await
        }
        ["fixtures"] => fixtures::write(&App::from_env()?).await,
        ["passwords"] => passwords::run(&App::from_env()?).await,
        ["restore", items, credentials, copy @ ..] if copy.is_empty() || *copy == ["--copy"] => {
            let app = App::from_env()?;
            let restored = Tables { items: (*items).to_owned(), credentials: (*credentials).to_owned() };
            let mode = if copy.is_empty() { Mode::Report } else { Mode::Copy };
            let report = restore::run(&app, &shared::cloud::aws::dynamodb(&app.aws, endpoint), &restored, mode).await?;
            for item in &report.items {
                eprintln!("{item}");
            }
            Ok(report.to_string())
        }
        ["staff", email] => staff::appoint(&App::from_env()?, email).await,
        ["second-factor-off", email] => second_factor::switch_off(&App::from_env()?, email).await,
        ["tokens", work, email @ ..] if email.len() < 2 => {
            let work = match *work {
                "renew" => Work::Renew,
                "seal" => Work::Seal,
                _ => return Err(USAGE.into()),
            };
            let app = App::from_env()?;
            let client = shared::cloud::aws::secrets_manager(&app.aws, shared::cloud::aws::endpoint("SECRETS_MANAGER"));
            let stripe = Gateway::from_env(&app).await?;
            let keys = secrets::read(&client, &app.config.token_keys_secret_arn).await?;
            Ok(tokens::run(&app, &stripe, &keys, work, email.first().copied()).await?.to_string())
        }
        ["stripe-setup"] => {
            let app = App::from_env()?;
            let client = shared::cloud::aws::secrets_manager(&app.aws, shared::cloud::aws::endpoint("SECRETS_MANAGER"));
            let key = std::env::var("STRIPE_SETUP_KEY").ok().filter(|key| !key.is_empty());
            endpoints::set_up(&app, &Secret { client, name: app.config.stripe_secret_arn.clone() }, key).await
        }
        _ => Err(USAGE.into()),
    }
}
