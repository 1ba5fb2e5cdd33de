//! Settings of the cluster.

use axum::extract::State;
use oarlock_engine::command::Command as Any;
use oarlock_engine::setting::{Command, KNOWN};
use oarlock_proto::v1;
use oarlock_proto::v1::{SetSetting, Setting};
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::body::Json;
use crate::convert::cluster;
use crate::fresh::Fresh;
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Every setting there is.
#[utoipa::path(get, path = "/settings", tag = "settings",
    responses((status = 200, body = v1::Page<Setting>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<()>::of("settings", &params)?;
    room.read(|view| pager.whole(KNOWN.iter().map(|name| cluster::setting(view, name))))
}

/// One setting.
#[utoipa::path(get, path = "/settings/{name}", tag = "settings",
    params(("name" = String, Path, description = "As the list has it")),
    responses((status = 200, body = Setting)))]
pub(crate) async fn get(State(room): In, _: Fresh, Id(name): Id) -> Answer<Read<Setting>> {
    shown(&room, &name)
}

/// Sets one; an empty value brings the default back.
#[utoipa::path(put, path = "/settings/{name}", tag = "settings", request_body = SetSetting,
    params(("name" = String, Path, description = "As the list has it")),
    responses((status = 200, body = Setting)))]
pub(crate) async fn set(
    State(room): In,
    Id(name): Id,
    Json(SetSetting { value }): Json<SetSetting>,
) -> Answer<Read<Setting>> {
    room.propose(Any::Setting(Command::Set { name: name.clone(), value })).await?;
    shown(&room, &name)
}

fn shown(room: &Room, name: &str) -> Answer<Read<Setting>> {
    if !KNOWN.contains(&name) {
        return Err(Fault::new(&table::NO_SETTING, format!("no setting `{name}`"))
            .hint(format!("there are: {}", KNOWN.join(", "))));
    }
    room.read(|view| Ok(cluster::setting(view, name)))
}
