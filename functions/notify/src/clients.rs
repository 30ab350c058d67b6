//! What the function needs, created once when it starts.

use shared::app::App;

use crate::mailer::Mailer;

/// The table's mails and SES.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Settings and the table.
    pub app: App,
    /// SES.
    pub mailer: Mailer,
}

impl Notify {
    /// From the environment.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub fn from_env() -> Result<Self, lambda_runtime::Error> {
        let app = App::from_env()?;
        let mailer = Mailer::new(&app, shared::cloud::aws::endpoint("SESV2"));
        Ok(Self { app, mailer })
    }
}
