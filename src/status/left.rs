//! What is left of certificates and revocation lists, in gauges that end with what they are of.
//!
//! A gauge that once was set is shown for ever. So the gauge of a certificate or list that is not there any more is set to NaN, with which no
//! comparison of an alarm is true: who was removed or disabled does not go on to run out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::Gauge;

/// What something is left of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A certificate, in days.
    Certificate {
        /// What it is for: `server`, `immuni_client`, `region`, `call_center`.
        kind: &'static str,
        /// Which of its kind.
        name: String,
    },
    /// An authority's revocation list, in hours.
    RevocationList {
        /// The authority.
        issuer: String,
    },
}

impl Subject {
    fn gauge(&self) -> Gauge {
        match self {
            Self::Certificate { kind, name } => {
                metrics::gauge!("sistema_ts_certificate_days_left", "kind" => *kind, "name" => name.clone())
            }
            Self::RevocationList { issuer } => {
                metrics::gauge!("sistema_ts_revocation_list_hours_left", "issuer" => issuer.clone())
            }
        }
    }
}

/// What one look has found.
#[derive(Debug, Default)]
pub(super) struct Left(BTreeMap<Subject, f64>);

impl Left {
    /// Adds what is left of one; of several of one name it is the least.
    pub(super) fn add(&mut self, subject: Subject, left: f64) {
        self.0
            .entry(subject)
            .and_modify(|least| *least = least.min(left))
            .or_insert(left);
    }
}

/// The gauges that are shown.
#[derive(Debug, Default)]
pub(super) struct ShownLeft(Mutex<Left>);

impl ShownLeft {
    /// Shows what a look has found, and that nothing is left of what it has not found again.
    pub(super) fn show(&self, found: Left) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in shown.0.keys() {
            if !found.0.contains_key(subject) {
                subject.gauge().set(f64::NAN);
            }
        }
        for (subject, left) in &found.0 {
            subject.gauge().set(*left);
        }
        *shown = found;
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that an alarm rings for what is gone, or that the list that ends first is hidden by another.
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn what_is_gone_has_nothing_left_and_what_comes_back_has() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = ShownLeft::default();
        let region = |code: &str| Subject::Certificate {
            kind: "region",
            name: code.to_owned(),
        };
        let issuer = "CN=CA".to_owned();
        let list = Subject::RevocationList { issuer };
        let look = |found: &[(Subject, f64)]| {
            let mut left = Left::default();
            for (subject, value) in found {
                left.add(subject.clone(), *value);
            }
            metrics::with_local_recorder(&recorder, || shown.show(left));
            recorder.handle().render()
        };
        let days = |code: &str, value: &str| {
            format!("sistema_ts_certificate_days_left{{kind=\"region\",name=\"{code}\"}} {value}\n")
        };
        let hours = |value: &str| {
            format!("sistema_ts_revocation_list_hours_left{{issuer=\"CN=CA\"}} {value}\n")
        };
        let both = look(&[
            (region("010"), 5.5),
            (region("020"), -1.0),
            (list.clone(), 7.0),
            (list.clone(), 3.0),
            (list, 9.0),
        ]);
        for line in [days("010", "5.5"), days("020", "-1"), hours("3")] {
            assert!(both.contains(&line), "{line}{both}");
        }
        let one = look(&[(region("010"), 5.0)]);
        for line in [days("010", "5"), days("020", "NaN"), hours("NaN")] {
            assert!(one.contains(&line), "{line}{one}");
        }
        let back = look(&[(region("020"), 397.0)]);
        for line in [days("010", "NaN"), days("020", "397"), hours("NaN")] {
            assert!(back.contains(&line), "{line}{back}");
        }
    }
}
