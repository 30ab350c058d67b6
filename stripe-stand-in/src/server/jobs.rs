//! The loop that lets time pass.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::time;
use crate::server::host::Server;

/// Catches up several times a second while the server lives. A held clock catches up whenever it is moved.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut state = server.state();
        if state.held_at.is_none() {
            time::catch_up(&mut state);
        }
    }
}
