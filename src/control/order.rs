//! What is asked and what is replied, each one line of JSON.

use serde::{Deserialize, Serialize};
use sistema_ts_model::Cun;

/// What a command may ask of the running server. A server that does not know an order says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Forgive the failed verifications that count against a CUN.
    ForgiveCode {
        /// The CUN, issued or not.
        #[serde(with = "code_as_text")]
        code: Cun,
    },
    /// Believe the clock: somebody has compared it with another.
    ConfirmClock,
    /// Note a change of the register that the command has made, and take it up.
    NoteRegisterChange {
        /// What kind of change.
        kind: String,
        /// What was changed; who an operator is stays untold.
        object: String,
    },
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The failures were forgiven.
    CodeForgiven {
        /// Failures that counted until now.
        failures: u32,
        /// How often the code's failures may be forgiven again.
        left: u32,
        /// What stands for the code in the security log.
        reference: String,
    },
    /// No failed verification counts against the code; nothing changed.
    NoFailureCounts,
    /// The code's failures were forgiven as often as they may be; nothing changed.
    NoForgivenessLeft,
    /// The clock is believed.
    ClockConfirmed {
        /// How far the trusted time was behind it, in seconds.
        lag_seconds: i64,
    },
    /// The change of the register is noted.
    RegisterChangeNoted,
    /// The order was not carried out, and nothing changed.
    NotDone {
        /// Why, for a person; it holds no personal value.
        reason: String,
    },
    /// The order may have been carried out or not.
    Unknown {
        /// Why, for a person; it holds no personal value.
        reason: String,
    },
}

/// A CUN as its text.
mod code_as_text {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use sistema_ts_model::Cun;

    pub(super) fn serialize<S: Serializer>(code: &Cun, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(code)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cun, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Without the value: nothing of it belongs in a message.
        Cun::parse(&text).map_err(|_| D::Error::custom("not a CUN"))
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a command and a server of the same version do not understand each other, or that a code is shown.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_order_is_one_line_that_reads_back() {
        let code = Cun::parse("CUN-59FU36KR46").unwrap();
        let order = Order::ForgiveCode { code };
        let line = serde_json::to_string(&order).unwrap();
        assert_eq!(line, r#"{"order":"forgive_code","code":"CUN-59FU36KR46"}"#);
        assert_eq!(serde_json::from_str::<Order>(&line).unwrap(), order);
        assert!(!format!("{order:?}").contains("59FU36KR46"));
    }

    #[test]
    fn what_is_not_exactly_an_order_is_none_and_is_not_repeated() {
        for line in [
            "",
            "{}",
            r#"{"order":"stop"}"#,
            r#"{"order":"forgive_code"}"#,
            r#"{"order":"forgive_code","code":"CUN-59FU36KR45"}"#,
            r#"{"order":"forgive_code","code":"CUN-59FU36KR46","twice":true}"#,
            r#"["forgive_code"]"#,
        ] {
            let error = serde_json::from_str::<Order>(line).unwrap_err().to_string();
            assert!(!error.contains("59FU"), "{error}");
        }
    }
}
