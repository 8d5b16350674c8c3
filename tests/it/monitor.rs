//! What watches over the fleet, beside a GARM that lives.

mod normal_life;
