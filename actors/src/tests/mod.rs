//! A whole crew on a replica in memory: real processes, real actors, real time where time is the point.

mod cell;
mod drills;
mod flows;
mod home;
mod lines;
mod members;
mod slots;
