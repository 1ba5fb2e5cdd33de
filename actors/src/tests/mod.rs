//! A whole crew on a replica in memory: real processes, real actors, real time where time is the point.

mod drills;
mod flows;
mod home;
mod slots;
