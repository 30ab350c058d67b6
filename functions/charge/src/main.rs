//! `POST /courses/charge`: sells one course.

use charge::Charge;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let charge = Charge::from_env().await?;
    shared::http::serve(|request| charge::handle(&charge, request)).await
}
