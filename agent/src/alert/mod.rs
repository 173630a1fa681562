//! Alerts: the contract with everything downstream (`schema: "vigia.alert/v1"`, additive changes only).

mod model;

pub use model::{
    Action, Alert, AlertContainer, AlertId, AlertImage, AlertProcess, AlertProfile, Ancestor, Repeat, SCHEMA,
};
