//! Ctrl-C and SIGTERM, counted: the first asks to stop in order, the second to stop now.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::CliError;

/// Signals heard so far.
#[derive(Debug, Clone)]
pub(super) struct Interrupts {
    count: watch::Receiver<u32>,
}

impl Interrupts {
    /// Listens from now on; signals no longer end the process by themselves.
    pub(super) fn listen() -> Result<Self, CliError> {
        let failed = |source| CliError::Process { action: "listen to signals", source };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (sender, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count })
    }

    /// Waits until `number` signals were heard in all.
    pub(super) async fn heard(&self, number: u32) {
        // The sender lives as long as the process.
        let _ = self.count.clone().wait_for(|count| *count >= number).await;
    }
}
