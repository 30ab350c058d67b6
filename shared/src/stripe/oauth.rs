//! Stripe's OAuth for Connect, which async-stripe lacks. <https://docs.stripe.com/connect/oauth-reference>

use serde::Deserialize;
use serde_json::json;

use super::error::StripeError;
use super::gateway::Gateway;
use super::objects::OAuthToken;
use crate::cloud::trace::Call;
use crate::settings::secrets::StripeKeys;

/// Why Stripe returned no tokens for a code.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Stripe refused, for example with `invalid_grant`.
    #[error("refused: {0}")]
    Refused(String),
    /// Stripe failed, was out of reach, or gave an invalid response.
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
    /// The fields that are stored, sealed.
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
    /// Exchanges a code for tokens. Never retried, because using a code twice revokes its tokens.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn trade_code(&self, code: &str) -> Result<OAuthToken, TokenError> {
        self.tokens(&[("grant_type", "authorization_code"), ("code", code)]).await
    }

    /// Gets a new access token for a refresh token. The refresh token stays valid, so this can be repeated if the response is lost.
    /// <https://docs.stripe.com/connect/oauth-reference#post-token-request>
    ///
    /// # Errors
    /// See [`TokenError`]; `invalid_grant` if the seller has revoked access.
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

    /// Revokes the platform's access to an account. An account that has already revoked it is not
    /// an error. But Stripe also says `invalid_client` for a client id that does not match the key,
    /// and for a wrong key, so the account is read to tell whether access is gone.
    /// <https://docs.stripe.com/connect/oauth-reference#post-deauthorize-errors>
    ///
    /// # Errors
    /// If Stripe fails or is out of reach, or the access is still there.
    pub async fn deauthorize(&self, account: &str) -> Result<(), StripeError> {
        let form = [("client_id", self.client_id.as_str()), ("stripe_user_id", account)];
        let (status, body) = self.connect_post("/oauth/deauthorize", &form).await.map_err(|error| match error {
            TokenError::Timeout => StripeError::NoAnswer { timeout: true },
            _ => StripeError::NoAnswer { timeout: false },
        })?;
        if status == 200 {
            return Ok(());
        }
        let says_gone = serde_json::from_slice::<Refusal>(&body).is_ok_and(|refusal| refusal.error == "invalid_client");
        if status < 500 && says_gone && matches!(self.account(account).await, Err(StripeError::AccountRevoked)) {
            return Ok(());
        }
        Err(StripeError::from_answer(status, false, &body))
    }

    /// One request, and another with the new key if Stripe no longer accepts the old one, in which case it did nothing else.
    async fn connect_post(&self, path: &str, form: &[(&str, &str)]) -> Result<(u16, Vec<u8>), TokenError> {
        let keys = self.keys.current().await;
        let answer = self.connect_once(path, form, &keys).await?;
        if answer.0 == 401
            && let Some(rolled) = self.keys.instead_of(&keys).await
        {
            return self.connect_once(path, form, &rolled).await;
        }
        Ok(answer)
    }

    async fn connect_once(&self, path: &str, form: &[(&str, &str)], keys: &StripeKeys) -> Result<(u16, Vec<u8>), TokenError> {
        if !self.fits(keys) {
            return Ok((401, Vec::new()));
        }
        let failed = |error: &reqwest::Error| if error.is_timeout() { TokenError::Timeout } else { TokenError::Failed };
        // The key goes into a header, never into the URL.
        let request = self.http.post(format!("{}{path}", self.connect_base)).bearer_auth(&keys.secret_key);
        let request = request.form(form).timeout(self.timeout).build().map_err(|error| failed(&error))?;
        let mut call = Call::begin(&request);
        let answer = self.http.execute(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        call.answered(status);
        tracing::info!(path, status, "asked Stripe Connect");
        let body = answer.bytes().await.map_err(|error| failed(&error))?;
        Ok((status, body.to_vec()))
    }
}
