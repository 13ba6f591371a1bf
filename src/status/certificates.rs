//! What runs out: certificates and revocation lists.

use std::sync::Arc;

use sistema_ts_model::{Caller, Condition, ConditionReport};
use sistema_ts_store::register::RegisteredCaller;

use crate::front::{ListenerTrust, Reloader, RevocationListStatus};
use crate::immuni::BackendTls;

use super::left::{Left, Subject};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// How long before its end a certificate is announced.
const ANNOUNCED_SECONDS: i64 = 30 * SECONDS_PER_DAY;

/// Where the certificates and lists are that the server works with.
pub struct Certificates {
    /// Those of the listeners.
    pub listeners: Reloader,
    /// Those towards the Immuni backend; `None` where there is none, or in the clear.
    pub immuni: Option<Arc<BackendTls>>,
}

impl Certificates {
    /// The conditions of all of them, `now` in seconds since 1970; adds what is left.
    pub(super) fn conditions(&self, now: i64, left: &mut Left) -> Vec<ConditionReport> {
        let mut reports = Vec::new();
        for trust in self.listeners.in_force() {
            of_listener(&trust, now, left, &mut reports);
        }
        if let Some(immuni) = &self.immuni {
            of_backend(immuni.validity(), immuni.failure(), now, left, &mut reports);
        }
        reports
    }
}

fn of_backend(
    validity: (i64, i64),
    failure: Option<String>,
    now: i64,
    left: &mut Left,
    reports: &mut Vec<ConditionReport>,
) {
    let name = "immuni";
    add_days_left("immuni_client", name, validity.1, now, left);
    reports.extend(of_validity(
        name,
        validity,
        now,
        Condition::ImmuniCertificateNotValid,
        Condition::ImmuniCertificateEnds,
    ));
    reports.extend(
        failure.map(|failure| ConditionReport::of(Condition::TlsFilesNotUsable, name, failure)),
    );
}

fn of_listener(
    trust: &ListenerTrust,
    now: i64,
    left: &mut Left,
    reports: &mut Vec<ConditionReport>,
) {
    if let Some(failure) = &trust.failure {
        reports.push(ConditionReport::of(
            Condition::TlsFilesNotUsable,
            &*trust.listener,
            failure,
        ));
    }
    for certificate in &trust.server_certificates {
        let name = format!("{} {}", trust.listener, certificate.key_kind);
        add_days_left("server", &name, certificate.not_after, now, left);
        reports.extend(of_validity(
            &name,
            (certificate.not_before, certificate.not_after),
            now,
            Condition::ServerCertificateNotValid,
            Condition::ServerCertificateEnds,
        ));
    }
    for list in &trust.revocation_lists {
        of_list(list, now, left, reports);
    }
    for authority in &trust.authorities_without_list {
        reports.push(ConditionReport::of(
            Condition::AuthorityWithoutRevocationList,
            authority,
            "no revocation list is signed by this authority's key",
        ));
    }
}

fn of_list(
    list: &RevocationListStatus,
    now: i64,
    left: &mut Left,
    reports: &mut Vec<ConditionReport>,
) {
    if let Some(next_update) = list.next_update {
        let hours = (next_update - now) as f64 / 3_600.0;
        let issuer = list.issuer.clone();
        left.add(Subject::RevocationList { issuer }, hours);
        if next_update < now {
            let text = format!("its successor was due {} ago", days(now - next_update));
            reports.push(ConditionReport::of(
                Condition::RevocationListOverdue,
                &list.issuer,
                text,
            ));
        }
    }
    if list.is_kept {
        reports.push(ConditionReport::of(
            Condition::RevocationListWentBack,
            &list.issuer,
            "the files hold an older list of this authority, or none; the newest that was seen stays in force",
        ));
    }
    if !list.is_verified {
        reports.push(ConditionReport::of(
            Condition::RevocationListWithoutAuthority,
            &list.issuer,
            "it is signed by no accepted authority, and by none below one that a client has shown",
        ));
    }
}

/// What there is to tell of the callers' registered certificates; of each caller that of the one that ends last, since the others may be on
/// their way out.
pub(super) fn of_callers(
    callers: &[Arc<RegisteredCaller>],
    now: i64,
    left: &mut Left,
) -> Vec<ConditionReport> {
    let mut reports = Vec::new();
    for caller in callers.iter().filter(|caller| caller.enabled) {
        let ends = caller
            .certificates
            .iter()
            .map(|certificate| certificate.not_after.millis().div_euclid(1_000));
        let Some(last) = ends.max() else { continue };
        let (kind, name) = match caller.caller {
            Caller::Region(code) => ("region", code.to_string()),
            Caller::CallCenter(code) => ("call_center", code.to_string()),
            Caller::Structure(_) | Caller::Asl(_) | Caller::Immuni => continue,
        };
        add_days_left(kind, &name, last, now, left);
        reports.extend(of_validity(
            &format!("{kind} {name}"),
            (i64::MIN, last),
            now,
            Condition::CallerCertificateEnded,
            Condition::CallerCertificateEnds,
        ));
    }
    reports
}

fn of_validity(
    name: &str,
    (not_before, not_after): (i64, i64),
    now: i64,
    not_valid: Condition,
    ends: Condition,
) -> Option<ConditionReport> {
    let report = |condition, text: String| Some(ConditionReport::of(condition, name, text));
    let seconds = not_after.saturating_sub(now);
    if now < not_before {
        report(not_valid, "it is not valid yet".to_owned())
    } else if seconds < 0 {
        report(not_valid, format!("it ended {} ago", days(-seconds)))
    } else if seconds < ANNOUNCED_SECONDS {
        report(ends, format!("it ends in {}", days(seconds)))
    } else {
        None
    }
}

fn add_days_left(kind: &'static str, name: &str, not_after: i64, now: i64, left: &mut Left) {
    let days = not_after.saturating_sub(now) as f64 / SECONDS_PER_DAY as f64;
    let name = name.to_owned();
    left.add(Subject::Certificate { kind, name }, days);
}

/// A time for people.
fn days(seconds: i64) -> String {
    match seconds / SECONDS_PER_DAY {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that something runs out and nobody is told, or that an alarm rings while there is time.
    use super::*;
    use crate::front::ServerCertificateStatus;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = SECONDS_PER_DAY;

    fn names(reports: &[ConditionReport]) -> Vec<&'static str> {
        reports
            .iter()
            .map(|report| report.condition.name())
            .collect()
    }

    #[test]
    fn a_certificate_is_announced_for_thirty_days_and_then_stops_what_it_is_for() {
        let told = |not_before: i64, not_after: i64| {
            let (mut reports, certificate) = (
                Vec::new(),
                ServerCertificateStatus {
                    key_kind: "ecdsa",
                    not_before,
                    not_after,
                },
            );
            let trust = ListenerTrust {
                listener: "basic".into(),
                failure: None,
                server_certificates: vec![certificate],
                revocation_lists: Vec::new(),
                authorities_without_list: Vec::new(),
            };
            of_listener(&trust, NOW, &mut Left::default(), &mut reports);
            names(&reports)
        };
        assert_eq!(told(NOW - DAY, NOW + 31 * DAY), [""; 0]);
        assert_eq!(
            told(NOW - DAY, NOW + 30 * DAY - 1),
            ["server_certificate_ends"]
        );
        assert_eq!(told(NOW - DAY, NOW), ["server_certificate_ends"]);
        assert_eq!(told(NOW - DAY, NOW - 1), ["server_certificate_not_valid"]);
        assert_eq!(
            told(NOW + 1, NOW + 90 * DAY),
            ["server_certificate_not_valid"]
        );
    }

    #[test]
    fn the_certificate_for_the_backend_is_announced_likewise_and_files_that_cannot_be_used_are_told()
     {
        let told = |validity: (i64, i64), failure: Option<&str>| {
            let mut reports = Vec::new();
            let failure = failure.map(str::to_owned);
            of_backend(validity, failure, NOW, &mut Left::default(), &mut reports);
            names(&reports)
        };
        for ((not_before, not_after), expected) in [
            ((NOW - DAY, NOW + 31 * DAY), vec![]),
            (
                (NOW - DAY, NOW + 30 * DAY - 1),
                vec!["immuni_certificate_ends"],
            ),
            ((NOW - DAY, NOW), vec!["immuni_certificate_ends"]),
            ((NOW - DAY, NOW - 1), vec!["immuni_certificate_not_valid"]),
            (
                (NOW + 1, NOW + 90 * DAY),
                vec!["immuni_certificate_not_valid"],
            ),
        ] {
            assert_eq!(told((not_before, not_after), None), expected);
            let and_files = [expected, vec!["tls_files_not_usable"]].concat();
            assert_eq!(told((not_before, not_after), Some("gone")), and_files);
        }
    }

    #[test]
    fn lists_that_are_overdue_went_back_or_belong_to_nobody_are_told() {
        let list = |next_update: Option<i64>, is_verified, is_kept| RevocationListStatus {
            issuer: "CN=CA".to_owned(),
            this_update: NOW - DAY,
            next_update,
            entries: 0,
            is_verified,
            is_kept,
        };
        for (status, expected) in [
            (list(Some(NOW + 1), true, false), vec![]),
            (list(None, true, false), vec![]),
            (
                list(Some(NOW - 1), true, false),
                vec!["revocation_list_overdue"],
            ),
            (
                list(Some(NOW + 1), true, true),
                vec!["revocation_list_went_back"],
            ),
            (
                list(None, false, false),
                vec!["revocation_list_without_authority"],
            ),
        ] {
            let mut reports = Vec::new();
            of_list(&status, NOW, &mut Left::default(), &mut reports);
            assert_eq!(names(&reports), expected);
        }
    }
}
