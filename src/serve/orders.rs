//! What the orders of commands do in the running server, see [`crate::control`].

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::Cun;
use sistema_ts_store::register::Register;
use sistema_ts_store::trusted_time::TimeGuard;
use sistema_ts_store::{Forgiveness, Store, StoreError};

use crate::control::{CarryOut, Order, Peer, Reply};
use crate::services::security_log::{self, CodeReferences};

/// What orders work with.
pub(super) struct Orders {
    pub(super) store: Arc<dyn Store>,
    pub(super) register: Arc<dyn Register>,
    pub(super) references: CodeReferences,
    pub(super) time: Arc<TimeGuard>,
}

#[async_trait]
impl CarryOut for Orders {
    async fn carry_out(&self, order: Order, by: Peer) -> Reply {
        match order {
            Order::ForgiveCode { code } => self.forgive(code, by).await,
            Order::ConfirmClock => self.confirm_clock(by).await,
            Order::NoteRegisterChange { kind, object } => {
                security_log::register_changed(&kind, &object, by);
                // The look at each interval tells of one that fails.
                let _ = self.register.refresh().await;
                Reply::RegisterChangeNoted
            }
        }
    }
}

impl Orders {
    async fn confirm_clock(&self, by: Peer) -> Reply {
        match self.time.confirm().await {
            Ok(lag_millis) => {
                let lag_seconds = lag_millis / 1_000;
                security_log::clock_confirmed(lag_seconds, by);
                Reply::ClockConfirmed { lag_seconds }
            }
            Err(error) => failed(&error),
        }
    }

    async fn forgive(&self, code: Cun, by: Peer) -> Reply {
        match self.store.forgive_code(code).await {
            Ok(Forgiveness::Forgiven { failures, left }) => {
                let reference = self.references.of(code);
                security_log::code_forgiven(&reference, failures, left, by);
                Reply::CodeForgiven {
                    failures,
                    left,
                    reference,
                }
            }
            Ok(Forgiveness::NothingCounted) => Reply::NoFailureCounts,
            Ok(Forgiveness::NoneLeft) => Reply::NoForgivenessLeft,
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &StoreError) -> Reply {
    let reason = error.to_string();
    if error.had_no_effect() {
        Reply::NotDone { reason }
    } else {
        Reply::Unknown { reason }
    }
}
