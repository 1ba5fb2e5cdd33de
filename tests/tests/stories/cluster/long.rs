//! A network that breaks again and again, each time in another place.
//!
//! In the suite it lasts half a minute. `OARLOCK_STORY_SECONDS=1800` makes it half an hour, for whoever wants to be sure.

use std::time::{Duration, Instant};

use super::lab::{Lab, SETTLE_MAX};
use super::work::NAME;
use crate::node::until;

/// How long it lasts, if nobody says otherwise.
const LASTS: Duration = Duration::from_secs(30);
/// Runs that are accepted while the network is broken, and when it is whole again.
const BROKEN: u64 = 60;
const WHOLE: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_network_breaks_again_and_again_and_no_role_is_ever_held_twice() {
    let lasts = std::env::var("OARLOCK_STORY_SECONDS").ok();
    let lasts = lasts.map_or(LASTS, |text| {
        Duration::from_secs(text.parse().expect("OARLOCK_STORY_SECONDS is a number of seconds"))
    });
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    let (begun, mut cuts) = (Instant::now(), 0);
    while begun.elapsed() < lasts || cuts < 4 {
        let alone = match cuts % 4 {
            0 => lab.leader().await,
            1 => lab.owner(NAME, &lab.names()).await,
            2 => lab.names()[cuts / 4 % 3].clone(),
            _ => {
                apart(&mut lab).await;
                String::new()
            }
        };
        if !alone.is_empty() {
            lab.cut_off(&alone);
            lab.settled(&lab.others(&alone)).await;
            work.goes_on(BROKEN).await;
        }
        lab.heal();
        lab.settled(&lab.names()).await;
        work.goes_on(WHOLE).await;
        cuts += 1;
    }
    println!("the network was cut {cuts} times in {:?}", begun.elapsed());
    lab.whole(work).await;
    lab.examined();
}

/// Nobody reaches anybody, until all have noticed.
async fn apart(lab: &mut Lab) {
    lab.order("nodes partition n1 | n2 | n3", "the network is cut");
    for node in lab.names() {
        until(SETTLE_MAX, "it says that it is alone", async || !lab.raft(&node).await.sure).await;
    }
}
