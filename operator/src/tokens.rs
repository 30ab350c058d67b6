//! Sellers' OAuth tokens. The functions never use them. They are renewed if the
//! old ones may have leaked, and sealed again before a sealing key is thrown away.

use serde::Deserialize;
use shared::app::App;
use shared::base::entropy::Entropy;
use shared::domain::user::{Email, User};
use shared::settings::seal::{open, seal};
use shared::settings::secrets::TokenKeys;
use shared::store::Written;
use shared::store::page::Page;
use shared::stripe::Gateway;
use shared::stripe::oauth::TokenError;

use crate::Failure;

/// What to do with the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Have Stripe issue new ones.
    Renew,
    /// Seal them with the current key, without calling Stripe.
    Seal,
}

#[derive(Deserialize)]
struct Stored {
    refresh_token: Option<String>,
}

/// The result.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many sellers' tokens were renewed or sealed again.
    pub done: usize,
    /// Sellers who must connect again: access was revoked at Stripe, or the tokens cannot be opened.
    pub gone: Vec<String>,
    /// Sellers whose tokens could not be renewed now. They are unchanged.
    pub failed: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} done", self.done)?;
        for (what, who) in [("must connect again", &self.gone), ("failed, run it again", &self.failed)] {
            if !who.is_empty() {
                write!(formatter, "; {what}: {}", who.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Does this for one seller or for all. It can be run again at any time: tokens that
/// were issued but not stored do no harm, because the refresh token stays valid.
///
/// # Errors
/// If there is no such user, or DynamoDB fails.
pub async fn run(app: &App, stripe: &Gateway, keys: &TokenKeys, work: Work, email: Option<&str>) -> Result<Report, Failure> {
    let mut report = Report::default();
    if let Some(email) = email {
        let email = Email::parse(email)?;
        let user = app.store.user_by_email(&email).await?.ok_or_else(|| format!("no user has the e-mail address {}", email.written()))?;
        one(app, stripe, keys, work, &user, &mut report).await?;
        return Ok(report);
    }
    let mut page = Page { limit: 100, after: None };
    loop {
        let users = app.store.users(&page, None).await?;
        for user in &users.items {
            one(app, stripe, keys, work, user, &mut report).await?;
        }
        page.after = users.next;
        if page.after.is_none() {
            return Ok(report);
        }
    }
}

async fn one(app: &App, stripe: &Gateway, keys: &TokenKeys, work: Work, user: &User, report: &mut Report) -> Result<(), Failure> {
    let Some(seen) = app.store.sealed_tokens(&user.id).await? else { return Ok(()) };
    if work == Work::Seal && seen.key_id == keys.current {
        return Ok(());
    }
    let Ok(text) = open(keys, &user.id, &seen) else {
        report.gone.push(user.email.clone());
        return Ok(());
    };
    let text = match work {
        Work::Seal => text,
        Work::Renew => {
            let stored: Stored = serde_json::from_str(&text).map_err(|_| "the sealed text does not contain tokens")?;
            let Some(refresh_token) = stored.refresh_token else {
                report.gone.push(user.email.clone());
                return Ok(());
            };
            match stripe.refresh_token(&refresh_token).await {
                Ok(token) => token.to_be_sealed(),
                Err(TokenError::Refused(_)) => {
                    report.gone.push(user.email.clone());
                    return Ok(());
                }
                Err(TokenError::Failed | TokenError::Timeout) => {
                    report.failed.push(user.email.clone());
                    return Ok(());
                }
            }
        }
    };
    let sealed = seal(keys, &user.id, &text, &Entropy::system());
    // If linked again or unlinked concurrently, what is there now is newer.
    if app.store.replace_tokens(&user.id, &seen, &sealed).await? == Written::Yes {
        report.done += 1;
    }
    Ok(())
}
