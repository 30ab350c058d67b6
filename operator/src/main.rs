//! What an operator does from a terminal. It reads the same environment as the functions do.

use std::process::ExitCode;

use operator::endpoints::Secret;
use operator::tokens::Work;
use operator::{Failure, endpoints, fixtures, is_local, staff, table, tokens};
use shared::app::App;
use shared::secrets;
use shared::stripe::Gateway;

const USAGE: &str = "usage: operator table          makes the table, at a local endpoint only
       operator fixtures       writes test users and courses, at a local endpoint only
       operator staff EMAIL    makes the user with this e-mail address a member of staff
       operator tokens renew [EMAIL]   has Stripe issue new OAuth tokens, for a seller or for all, and seals them
       operator tokens seal [EMAIL]    seals the OAuth tokens with the current key, where another sealed them
       operator stripe-setup   registers the webhook endpoints below PUBLIC_API_URL at Stripe, asking with the key
                               STRIPE_SETUP_KEY where it is set, and keeps their signing secrets in the secret";

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
        ["staff", _] | ["tokens", ..] | ["stripe-setup"] if !local && std::env::var_os("AWS_ACCESS_KEY_ID").is_none() => {
            Err("put AWS credentials into the environment: eval \"$(aws configure export-credentials --format env)\"".into())
        }
        ["table"] => {
            let app = App::from_env()?;
            table::create(&shared::aws::dynamodb(&app.aws, endpoint), &app.config.table_name).await
        }
        ["fixtures"] => fixtures::write(&App::from_env()?).await,
        ["staff", email] => staff::appoint(&App::from_env()?, email).await,
        ["tokens", work, email @ ..] if email.len() < 2 => {
            let work = match *work {
                "renew" => Work::Renew,
                "seal" => Work::Seal,
                _ => return Err(USAGE.into()),
            };
            let app = App::from_env()?;
            let client = shared::aws::secrets_manager(&app.aws, shared::aws::endpoint("SECRETS_MANAGER"));
            let stripe = Gateway::from_env(&app).await?;
            let keys = secrets::read(&client, &app.config.token_keys_secret_arn).await?;
            Ok(tokens::run(&app, &stripe, &keys, work, email.first().copied()).await?.to_string())
        }
        ["stripe-setup"] => {
            let app = App::from_env()?;
            let client = shared::aws::secrets_manager(&app.aws, shared::aws::endpoint("SECRETS_MANAGER"));
            let key = std::env::var("STRIPE_SETUP_KEY").ok().filter(|key| !key.is_empty());
            endpoints::set_up(&app, &Secret { client, name: app.config.stripe_secret_arn.clone() }, key).await
        }
        _ => Err(USAGE.into()),
    }
}
