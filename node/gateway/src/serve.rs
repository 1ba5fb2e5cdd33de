//! The listener: connections in, connections out, and a close that lets answers finish.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::room::Room;

/// How long open requests may take to finish once the door closes.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// Serves until `shutdown` comes true, then lets what is under way finish for a while. Live streams end at once.
pub(crate) async fn serve(
    room: Arc<Room>,
    router: Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let closing = room.closed();
    let signal = async move {
        shutdown.await;
        room.close();
    };
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Small answers must not wait for an acknowledgement of the one before.
        if let Err(fault) = stream.set_nodelay(true) {
            tracing::debug!(%fault, "TCP_NODELAY was refused");
        }
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(signal);
    tokio::select! {
        served = async { serving.await } => served,
        () = async { closing.await; tokio::time::sleep(FINISH_MAX).await } => {
            tracing::warn!("requests were still open {FINISH_MAX:?} after the door closed");
            Ok(())
        }
    }
}
