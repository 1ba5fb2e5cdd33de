//! The door against a real node in memory, over real loopback HTTP.

mod cluster;
mod dead;
mod faults;
mod lists;
mod live;
mod node;
mod site;
mod starts;
mod tasks;
mod workflows;
