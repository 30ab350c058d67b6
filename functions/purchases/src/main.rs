//! Serves `purchases` to Lambda.

use shared::app::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let app = App::from_env()?;
    shared::http::serve(&app.config, |request| purchases::handle(&app, request)).await
}
