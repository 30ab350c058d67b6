//! Sellers' OAuth tokens. The functions never use them; new ones are issued where old ones may have leaked, and they are
//! sealed anew before a sealing key is thrown away.

use serde::Deserialize;
use shared::app::App;
use shared::entropy::Entropy;
use shared::seal::{open, seal};
use shared::secrets::TokenKeys;
use shared::store::Written;
use shared::store::page::Page;
use shared::stripe::Gateway;
use shared::stripe::oauth::TokenError;
use shared::user::{Email, User};

use crate::Failure;

/// What is to be done with the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Stripe issues new ones.
    Renew,
    /// They are sealed with the current key; Stripe is not asked.
    Seal,
}

#[derive(Deserialize)]
struct Stored {
    refresh_token: Option<String>,
}

/// How it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whose tokens are new, or newly sealed.
    pub done: usize,
    /// Who must connect again: the access is gone at Stripe, or the tokens do not open.
    pub gone: Vec<String>,
    /// Whose tokens could not be renewed now. They are as they were.
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

/// Does it for one seller, or for all. It can be run again at any time: what was issued and not stored is of no harm, for the
/// refresh token stays good.
///
/// # Errors
/// Where there is no such user, or DynamoDB fails.
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
            let stored: Stored = serde_json::from_str(&text).map_err(|_| "what is sealed is no tokens")?;
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
    // Linked anew or unlinked at this moment: what is there now is newer.
    if app.store.replace_tokens(&user.id, &seen, &sealed).await? == Written::Yes {
        report.done += 1;
    }
    Ok(())
}
