//! Monitoring beside a simulated GARM.

mod normal_life;
