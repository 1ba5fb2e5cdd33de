//! The doors: which path leads to which room.
//!
//! ```text
//!             ┌ place: names with a slash become one part of the path
//!             │      ┌ enter: request id, namespace, panics, problems, access log, metrics
//!   listener ─┴─▶ ───┴─▶ /api/v1/…    rest/      one resource a file
//!                        /api/docs, /             rest/site    pages for people
//!                        /healthz, /readyz        rest/health  probes
//!                        /metrics                 metric
//!                    a room reads:   Replica::read ─▶ convert ─▶ JSON
//!                    a room writes:  convert ─▶ Replica::propose (with the crew's free slots) ─▶ convert ─▶ JSON
//! ```
//!
//! A room knows the dialect and the caller, and nothing about how anything is decided or stored. `convert/` is the only place
//! where the engine's shapes and the API's meet.

mod body;
mod convert;
mod digest;
mod disk;
mod endings;
mod enter;
mod file;
mod filter;
mod fresh;
pub mod limit;
pub mod metric;
mod openapi;
mod origin;
mod page;
mod params;
pub mod problem;
mod reign;
mod rest;
mod room;
mod rounds;
mod serve;
mod shelf;
mod start;
pub mod yaml;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::middleware;
use axum::routing::get;
use oarlock_actors::crew::Crew;
use oarlock_raft::Replica;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceBuilder};
use tower_http::compression::CompressionLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use room::Config;
use room::Room;

/// What the door stands in front of.
pub struct Parts {
    /// This node's copy of the truth.
    pub replica: Replica,
    /// This node's actors.
    pub crew: Crew,
    /// What the door needs to know of itself.
    pub config: Config,
}

/// The HTTP door of a node.
pub struct Gateway {
    room: Arc<Room>,
}

impl Gateway {
    /// A door in front of a replica and a crew. It follows the feed from here on, so it must be made inside a runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Gateway {
        metric::install();
        let room = Arc::new(Room::new(parts.replica, parts.crew, parts.config));
        tokio::spawn(metric::keep_up(Arc::downgrade(&room)));
        Gateway { room }
    }

    /// All paths.
    pub fn router(&self) -> Router {
        let (api, document) = OpenApiRouter::new().nest("/api/v1", rest::api()).split_for_parts();
        let document = openapi::complete(document, &self.room.config.version);
        let text: Arc<str> = document.to_json().unwrap_or_default().into();
        let inner = api
            .merge(around(text))
            .fallback(nowhere)
            .method_not_allowed_fallback(otherwise)
            .layer(
                ServiceBuilder::new()
                    .layer(middleware::from_fn_with_state(Arc::clone(&self.room), enter::enter))
                    .layer(CompressionLayer::new().gzip(true))
                    .layer(DefaultBodyLimit::disable()),
            )
            .with_state(Arc::clone(&self.room));
        // Names are joined before the router sees the path: a layer of the router's own would come too late.
        let join = MapRequestLayer::new(|mut request: Request<axum::body::Body>| {
            if let Some(joined) = rest::place::joined(request.uri()) {
                *request.uri_mut() = joined;
            }
            request
        });
        Router::new().fallback_service(join.layer(inner))
    }

    /// Serves until `shutdown` is done, then lets what is under way finish.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        serve::serve(Arc::clone(&self.room), self.router(), listener, shutdown).await
    }
}

/// The OpenAPI document, without a node: for the contract's snapshot and `oarlock schema api`.
#[must_use]
pub fn document() -> OpenApi {
    let api: OpenApiRouter<Arc<Room>> = OpenApiRouter::new().nest("/api/v1", rest::api());
    openapi::complete(api.into_openapi(), env!("CARGO_PKG_VERSION"))
}

/// What is not part of the API: probes, metrics, pages for people.
fn around(document: Arc<str>) -> Router<Arc<Room>> {
    Router::new()
        .route("/", get(rest::site::home))
        .route("/healthz", get(rest::health::health))
        .route("/health", get(rest::health::health))
        .route("/health/live", get(rest::health::health))
        .route("/readyz", get(rest::health::ready))
        .route("/health/ready", get(rest::health::ready))
        .route("/metrics", get(metric::metrics))
        .route("/api/docs", get(rest::site::docs))
        .route("/docs/errors", get(rest::site::errors))
        .route("/docs/errors/{code}", get(rest::site::error))
        .route("/schemas/v1/workflow.json", get(rest::site::schema))
        .merge(
            Router::new().route("/api/openapi.json", get(rest::site::openapi)).with_state(document),
        )
}

async fn nowhere(uri: axum::http::Uri) -> problem::Fault {
    problem::Fault::new(&problem::table::NO_PATH, format!("nothing is served at `{}`", uri.path()))
}

async fn otherwise(method: axum::http::Method, uri: axum::http::Uri) -> problem::Fault {
    let detail = format!("`{}` does not take {method}", uri.path());
    problem::Fault::new(&problem::table::BAD_METHOD, detail)
}
