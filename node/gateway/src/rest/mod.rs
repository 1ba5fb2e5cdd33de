//! The rooms behind the door: one resource a file, every path in the OpenAPI document.

pub(crate) mod act;
pub(crate) mod apply;
pub(crate) mod cluster;
pub(crate) mod crew;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod nodes;
pub(crate) mod place;
pub(crate) mod queues;
pub(crate) mod roles;
pub(crate) mod runs;
pub(crate) mod settings;
pub(crate) mod settle;
pub(crate) mod site;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod tasks;
pub(crate) mod workflows;

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::room::Room;

/// What every handler begins with.
pub(crate) type In = State<Arc<Room>>;

/// All paths under `/api/v1`.
pub(crate) fn api() -> OpenApiRouter<Arc<Room>> {
    flows().merge(works()).merge(house()).merge(cell())
}

fn flows() -> OpenApiRouter<Arc<Room>> {
    OpenApiRouter::new()
        .routes(routes!(workflows::list, apply::apply))
        .routes(routes!(workflows::get, workflows::delete))
        .routes(routes!(workflows::pause))
        .routes(routes!(workflows::resume))
        .routes(routes!(workflows::versions))
        .routes(routes!(workflows::version))
        .routes(routes!(workflows::graph))
        .routes(routes!(workflows::history))
        .routes(routes!(start::start, runs::of_workflow))
        .routes(routes!(start::execute))
        .routes(routes!(start::batch))
}

fn works() -> OpenApiRouter<Arc<Room>> {
    OpenApiRouter::new()
        .routes(routes!(runs::list))
        .routes(routes!(runs::get, act::delete))
        .routes(routes!(runs::result))
        .routes(routes!(runs::input))
        .routes(routes!(runs::output))
        .routes(routes!(act::cancel))
        .routes(routes!(act::terminate))
        .routes(routes!(act::pause))
        .routes(routes!(act::resume))
        .routes(routes!(act::retry))
        .routes(routes!(act::signal))
        .routes(routes!(act::tag))
        .routes(routes!(logs::of_run))
        .routes(routes!(export::run))
        .routes(routes!(events::of_run))
        .routes(routes!(tasks::of_run))
        .routes(routes!(tasks::get))
        .routes(routes!(settle::complete))
        .routes(routes!(settle::fail))
        .routes(routes!(tasks::attempts))
        .routes(routes!(logs::of_task))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::by_id))
}

fn cell() -> OpenApiRouter<Arc<Room>> {
    OpenApiRouter::new()
        .routes(routes!(cluster::cluster))
        .routes(routes!(cluster::step_down))
        .routes(routes!(cluster::rebalance))
        .routes(routes!(cluster::raft))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::get))
        .routes(routes!(nodes::drain))
        .routes(routes!(nodes::undrain))
        .routes(routes!(nodes::promote))
        .routes(routes!(nodes::demote))
        .routes(routes!(nodes::remove))
        .routes(routes!(roles::list))
        .routes(routes!(roles::get))
        .routes(routes!(roles::move_to))
        .routes(routes!(roles::pin))
        .routes(routes!(roles::unpin))
}

fn house() -> OpenApiRouter<Arc<Room>> {
    OpenApiRouter::new()
        .routes(routes!(queues::list))
        .routes(routes!(queues::get))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::limit))
        .routes(routes!(queues::ready))
        .routes(routes!(dlq::list))
        .routes(routes!(dlq::groups))
        .routes(routes!(dlq::retry))
        .routes(routes!(dlq::discard))
        .routes(routes!(dlq::export))
        .routes(routes!(dlq::get))
        .routes(routes!(dlq::retry_one))
        .routes(routes!(dlq::discard_one))
        .routes(routes!(events::all))
        .routes(routes!(crew::workers))
        .routes(routes!(crew::worker))
        .routes(routes!(crew::drain))
        .routes(routes!(crew::actors))
        .routes(routes!(crew::actor))
        .routes(routes!(crew::restart))
        .routes(routes!(settings::list))
        .routes(routes!(settings::get, settings::set))
        .routes(routes!(status::status))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
}
