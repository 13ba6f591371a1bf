//! The settings of the services.

use std::time::Duration;

use sistema_ts_store::GuessBudgets;

use super::option_filter::RecordedOptions;

/// The settings of the services.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// How long a verification lives, in milliseconds.
    pub session_lifetime_millis: i64,
    /// How many verifications may fail.
    pub budgets: GuessBudgets,
    /// Which of `opzioni` reach the access record.
    pub recorded_options: RecordedOptions,
    /// From the claim of a code to the last moment at which a send may begin, in milliseconds.
    pub relay_deadline_millis: i64,
    /// Those of `invioCodiceOtp`.
    pub asl_otp: AslOtpSettings,
}

/// The settings of `invioCodiceOtp`.
#[derive(Debug, Clone, Copy)]
pub struct AslOtpSettings {
    /// How many codes one operator may send within an hour, as whichever users.
    pub codes_per_operator_per_hour: u32,
    /// Each step of the store ends at a whole multiple of this after its beginning.
    pub step: Duration,
}

impl Default for AslOtpSettings {
    fn default() -> Self {
        Self {
            codes_per_operator_per_hour: 60,
            step: Duration::from_millis(250),
        }
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            session_lifetime_millis: 30 * 60 * 1_000,
            budgets: GuessBudgets::default(),
            recorded_options: RecordedOptions::default(),
            relay_deadline_millis: 10_000,
            asl_otp: AslOtpSettings::default(),
        }
    }
}
