//! Moves password hashes from users' profiles, where they used to be, to the table of credentials.

use shared::app::App;
use shared::store::page::Page;

use crate::Failure;

/// Moves all that are left, while the functions keep running.
///
/// # Errors
/// If DynamoDB fails. Hashes already moved stay moved; run it again.
pub async fn run(app: &App) -> Result<String, Failure> {
    let (mut moved, mut after) = (0, None);
    loop {
        let page = app.store.users(&Page { limit: 100, after }, None).await?;
        for user in page.items.iter().filter(|user| user.password_hash.is_some()) {
            app.store.move_password(user).await?;
            moved += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok(format!("{moved} password hashes moved to {}", app.config.credentials_table));
        }
    }
}
