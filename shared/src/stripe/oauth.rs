//! Stripe's OAuth for Connect. async-stripe has none. <https://docs.stripe.com/connect/oauth-reference>

use serde::Deserialize;
use serde_json::json;

use super::Gateway;
use super::error::StripeError;
use super::objects::OAuthToken;

/// Why Stripe gave no tokens for a code.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Stripe says so: `invalid_grant` and the like.
    #[error("refused: {0}")]
    Refused(String),
    /// Stripe failed, was out of reach, or gave an answer that is none.
    #[error("Stripe failed")]
    Failed,
    /// Stripe took too long.
    #[error("Stripe took too long")]
    Timeout,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl OAuthToken {
    /// What is stored of it, once it is sealed.
    #[must_use]
    pub fn to_be_sealed(&self) -> String {
        let text = json!({
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "stripe_publishable_key": self.stripe_publishable_key,
            "scope": self.scope,
            "livemode": self.livemode,
        });
        text.to_string()
    }
}

impl Gateway {
    /// Trades a code for tokens: one request, never repeated, since a code that is used twice revokes what it gave.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn trade_code(&self, code: &str) -> Result<OAuthToken, TokenError> {
        self.tokens(&[("grant_type", "authorization_code"), ("code", code)]).await
    }

    /// A new access token for a refresh token, which stays good: where the answer is lost, it can be asked again.
    /// <https://docs.stripe.com/connect/oauth-reference#post-token-request>
    ///
    /// # Errors
    /// See [`TokenError`]; `invalid_grant` where the seller has taken the access away.
    pub async fn refresh_token(&self, refresh_token: &str) -> Result<OAuthToken, TokenError> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<OAuthToken, TokenError> {
        let (status, body) = self.connect_post("/oauth/token", form).await?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| TokenError::Failed);
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if status < 500 => Err(TokenError::Refused(refusal.error)),
            _ => Err(TokenError::Failed),
        }
    }

    /// Gives up the platform's access to an account. An account that has gone by itself is gone all the same.
    ///
    /// # Errors
    /// Where Stripe fails or is out of reach.
    pub async fn deauthorize(&self, account: &str) -> Result<(), StripeError> {
        let form = [("client_id", self.client_id.as_str()), ("stripe_user_id", account)];
        let (status, body) = self.connect_post("/oauth/deauthorize", &form).await.map_err(|error| match error {
            TokenError::Timeout => StripeError::NoAnswer { timeout: true },
            _ => StripeError::NoAnswer { timeout: false },
        })?;
        let gone = serde_json::from_slice::<Refusal>(&body).is_ok_and(|refusal| refusal.error == "invalid_client");
        if status == 200 || (status < 500 && gone) { Ok(()) } else { Err(StripeError::from_answer(status, false, &body)) }
    }

    /// One request; one more with the new key where Stripe no longer takes the old one, for then it looked at nothing else.
    async fn connect_post(&self, path: &str, form: &[(&str, &str)]) -> Result<(u16, Vec<u8>), TokenError> {
        let keys = self.keys.current().await;
        let answer = self.connect_once(path, form, &keys.secret_key).await?;
        if answer.0 == 401
            && let Some(rolled) = self.keys.instead_of(&keys).await
        {
            return self.connect_once(path, form, &rolled.secret_key).await;
        }
        Ok(answer)
    }

    async fn connect_once(&self, path: &str, form: &[(&str, &str)], key: &str) -> Result<(u16, Vec<u8>), TokenError> {
        let failed = |error: &reqwest::Error| if error.is_timeout() { TokenError::Timeout } else { TokenError::Failed };
        // The key travels in a header, never in an address.
        let request = self.http.post(format!("{}{path}", self.connect_base)).bearer_auth(key);
        let answer = request.form(form).timeout(self.timeout).send().await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        tracing::info!(path, status, "asked Stripe Connect");
        let body = answer.bytes().await.map_err(|error| failed(&error))?;
        Ok((status, body.to_vec()))
    }
}
