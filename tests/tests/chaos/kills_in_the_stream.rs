//! waltap, the broker and the server are killed with -9 at random moments while a capture streams.

use crate::budget::Budget;
use crate::plan::Kind;
use crate::scenario::Scenario;
use crate::{Delivery, both_deliveries};

fn scenario(delivery: Delivery) -> Scenario {
    let weights = [(Kind::KillWaltap, 6), (Kind::KillBroker, 1), (Kind::KillServer, 2)];
    Scenario::new("kills_in_the_stream", delivery, Budget::of_kills(), &weights)
}

both_deliveries!(in_the_stream, scenario);
