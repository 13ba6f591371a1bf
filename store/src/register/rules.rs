//! The rules of the register, the same for every store: pure, over what a store shows of itself within the change that it is about to make.
//! How an error names an entry is among them; no name holds a fiscal code.

use std::collections::HashSet;

use ipnet::IpNet;
use sistema_ts_model::{Caller, CodiceFiscale, RegionCode, StructureId};

use super::{
    AdministratorId, CertificateHolder, MAXIMUM_LISTING_OPERATORS, Profiles, RegisterError, UserId,
    Workplace, canonical_network,
};

/// The network as it is registered for a caller.
///
/// # Errors
/// [`RegisterError::NetworkRefused`] if the caller is no call centre, or the network is that of all addresses.
pub fn network_of(caller: Caller, network: IpNet) -> Result<IpNet, RegisterError> {
    let network = canonical_network(network);
    match matches!(caller, Caller::CallCenter(_)) && network.prefix_len() > 0 {
        true => Ok(network),
        false => Err(RegisterError::NetworkRefused),
    }
}

/// Whether an operator of this caller may hold these profiles.
///
/// # Errors
/// [`RegisterError::ProfileRefused`] if the caller has no operators, or its operators may not hold one of them.
pub fn check_operator_profiles(caller: Caller, profiles: Profiles) -> Result<(), RegisterError> {
    let allowed = Profiles::of_operators(&caller);
    match allowed != Profiles::NONE && profiles.is_within(allowed) {
        true => Ok(()),
        false => Err(RegisterError::ProfileRefused(caller_name(caller))),
    }
}

/// Whether a user of this workplace may hold these profiles.
///
/// # Errors
/// [`RegisterError::ProfileRefused`] if its users may not hold one of them.
pub fn check_user_profiles(workplace: &Workplace, profiles: Profiles) -> Result<(), RegisterError> {
    match profiles.is_within(workplace.profiles()) {
        true => Ok(()),
        false => Err(RegisterError::ProfileRefused(caller_name(
            workplace.caller(),
        ))),
    }
}

/// Whether a caller may have administrators of its own: those that have operators may (§3.3).
///
/// # Errors
/// [`RegisterError::AdministratorRefused`].
pub fn check_administrator(administrator: &AdministratorId) -> Result<(), RegisterError> {
    let caller = administrator.caller;
    match Profiles::of_operators(&caller) != Profiles::NONE {
        true => Ok(()),
        false => Err(RegisterError::AdministratorRefused(caller_name(caller))),
    }
}

/// Whether nothing stands in the way of removing an entry. `uses` says how many entries of which kind (in the plural) need it.
///
/// # Errors
/// [`RegisterError::InUse`], which names the kinds of which there is one at least.
pub fn check_unused(entry: String, uses: &[(&str, u64)]) -> Result<(), RegisterError> {
    let kinds: Vec<String> = uses
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    match kinds.is_empty() {
        true => Ok(()),
        false => Err(RegisterError::InUse {
            entry,
            by: kinds.join(", "),
        }),
    }
}

/// Whether a region has no more people than it may who hold the profile of `elencoTestEffettuati` (§2.4.3), once a change is made. `holders` are
/// the entries that hold it then, as users of the region's structures or as operators of its own system, enabled or not. Counted are people: the
/// same one may be several users, and an operator too.
///
/// # Errors
/// [`RegisterError::TooManyListingOperators`]: the change is to be undone.
pub fn check_listing_operators(
    region: RegionCode,
    holders: impl IntoIterator<Item = CodiceFiscale>,
) -> Result<(), RegisterError> {
    let people: HashSet<CodiceFiscale> = holders.into_iter().collect();
    match people.len() <= MAXIMUM_LISTING_OPERATORS {
        true => Ok(()),
        false => Err(RegisterError::TooManyListingOperators(region)),
    }
}

/// A caller, in an error's text.
#[must_use]
pub fn caller_name(caller: Caller) -> String {
    match caller {
        Caller::Region(region) => format!("region {region}"),
        Caller::Structure(id) => structure_name(id),
        Caller::Asl(id) => format!("ASL {id}"),
        Caller::CallCenter(code) => format!("call centre {code}"),
        Caller::Immuni => "the Immuni backend".to_owned(),
    }
}

/// A certificate of a holder, in an error's text.
#[must_use]
pub fn certificate_name(holder: &CertificateHolder) -> String {
    format!("the certificate of {}", holder_name(holder))
}

/// The holder of a certificate, in an error's text.
#[must_use]
pub fn holder_name(holder: &CertificateHolder) -> String {
    match holder {
        CertificateHolder::Caller(caller) => caller_name(*caller),
        CertificateHolder::Administrator(administrator) => administrator_name(administrator),
    }
}

/// An administrator of a caller, in an error's text.
#[must_use]
pub fn administrator_name(administrator: &AdministratorId) -> String {
    let AdministratorId { caller, name } = administrator;
    format!("administrator {name} of {}", caller_name(*caller))
}

/// A network of a caller, in an error's text.
#[must_use]
pub fn network_name(caller: Caller, network: IpNet) -> String {
    format!("network {network} of {}", caller_name(caller))
}

/// An operator of a caller, in an error's text: who the operator is stays untold.
#[must_use]
pub fn operator_name(caller: Caller) -> String {
    format!("this operator of {}", caller_name(caller))
}

/// A structure, in an error's text.
#[must_use]
pub fn structure_name(id: StructureId) -> String {
    format!("structure {id}")
}

/// A user, in an error's text.
#[must_use]
pub fn user_name(user: &UserId) -> String {
    format!("user {user}")
}

#[cfg(test)]
mod tests {
    //! A failure means that a store could let in from everywhere, give a service to whom it is not for, or let more people list than §2.4.3 allows.
    #![allow(clippy::unwrap_used)]

    use sistema_ts_model::{AslId, CallCenterCode, Service};

    use super::*;

    fn region() -> RegionCode {
        RegionCode::parse("010").unwrap()
    }

    fn call_center() -> Caller {
        Caller::CallCenter(CallCenterCode::parse("cc1").unwrap())
    }

    fn people(count: u32) -> Vec<CodiceFiscale> {
        let person = |number: u32| {
            let body = format!("{number:07}001");
            let parsed =
                (0..10).find_map(|check| CodiceFiscale::parse(&format!("{body}{check}")).ok());
            parsed.unwrap()
        };
        (1..=count).map(person).collect()
    }

    #[test]
    fn an_error_names_each_kind_of_entry_in_words_that_an_administrator_knows() {
        let structure = StructureId::parse("010-101-000123").unwrap();
        for (caller, name) in [
            (Caller::Region(region()), "region 010"),
            (Caller::Structure(structure), "structure 010-101-000123"),
            (Caller::Asl(AslId::parse("010-101").unwrap()), "ASL 010-101"),
            (call_center(), "call centre cc1"),
            (Caller::Immuni, "the Immuni backend"),
        ] {
            assert_eq!(caller_name(caller), name);
        }
        let administrator = CertificateHolder::Administrator(AdministratorId {
            caller: call_center(),
            name: UserId::parse("capo").unwrap(),
        });
        let of_caller = CertificateHolder::Caller(call_center());
        let network = "192.0.2.0/24".parse().unwrap();
        for (named, name) in [
            (
                certificate_name(&of_caller),
                "the certificate of call centre cc1",
            ),
            (
                certificate_name(&administrator),
                "the certificate of administrator capo of call centre cc1",
            ),
            (
                network_name(call_center(), network),
                "network 192.0.2.0/24 of call centre cc1",
            ),
            (
                operator_name(call_center()),
                "this operator of call centre cc1",
            ),
            (
                user_name(&UserId::parse("anna.verdi").unwrap()),
                "user anna.verdi",
            ),
        ] {
            assert_eq!(named, name);
        }
    }

    #[test]
    fn a_network_is_a_call_centres_and_never_that_of_all_addresses() {
        let network = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(
            network_of(call_center(), network("192.0.2.77/24")).unwrap(),
            network("192.0.2.0/24")
        );
        for all in ["0.0.0.0/0", "::/0"] {
            assert!(network_of(call_center(), network(all)).is_err(), "{all}");
        }
        let refused = network_of(Caller::Region(region()), network("192.0.2.0/24"));
        assert!(matches!(refused, Err(RegisterError::NetworkRefused)));
    }

    #[test]
    fn an_operator_holds_the_services_of_its_callers_kind_alone() {
        let verify = Profiles::NONE.with(Service::Verification);
        let list = Profiles::NONE.with(Service::Listing);
        let region = Caller::Region(region());
        assert!(check_operator_profiles(call_center(), verify).is_ok());
        assert!(check_operator_profiles(region, list).is_ok());
        for (caller, profiles) in [
            (call_center(), list),
            (region, verify),
            (Caller::Immuni, Profiles::NONE),
        ] {
            let refused = check_operator_profiles(caller, profiles);
            assert!(
                matches!(refused, Err(RegisterError::ProfileRefused(_))),
                "{caller:?}"
            );
        }
    }

    #[test]
    fn three_people_list_however_many_entries_they_have_and_a_fourth_does_not() {
        let mut holders = people(3);
        assert!(check_listing_operators(region(), holders.clone()).is_ok());
        holders.extend(people(3));
        assert!(check_listing_operators(region(), holders).is_ok());
        let refused = check_listing_operators(region(), people(4));
        assert!(matches!(
            refused,
            Err(RegisterError::TooManyListingOperators(_))
        ));
    }

    #[test]
    fn a_user_holds_the_services_of_the_workplace_alone() {
        let structure = Workplace::Structure(StructureId::parse("010-101-000123").unwrap());
        let asl = Workplace::Asl(AslId::parse("010-101").unwrap());
        let otp = Profiles::NONE.with(Service::AslOtp);
        assert!(check_user_profiles(&asl, otp).is_ok());
        assert!(check_user_profiles(&asl, Profiles::NONE).is_ok());
        assert!(check_user_profiles(&structure, otp.with(Service::Submission)).is_ok());
        for (workplace, service) in [
            (asl, Service::Submission),
            (asl, Service::Listing),
            (structure, Service::Verification),
        ] {
            let refused = check_user_profiles(&workplace, otp.with(service));
            assert!(
                matches!(refused, Err(RegisterError::ProfileRefused(_))),
                "{workplace:?} {service:?}"
            );
        }
    }

    #[test]
    fn callers_that_have_operators_may_have_administrators() {
        let administrator = |caller| AdministratorId {
            caller,
            name: UserId::parse("anna.verdi").unwrap(),
        };
        for caller in [call_center(), Caller::Region(region())] {
            assert!(check_administrator(&administrator(caller)).is_ok());
        }
        let refused = check_administrator(&administrator(Caller::Immuni));
        assert!(matches!(
            refused,
            Err(RegisterError::AdministratorRefused(_))
        ));
    }

    #[test]
    fn what_is_in_use_is_told_with_its_uses() {
        let name = || "region 010".to_owned();
        assert!(check_unused(name(), &[("certificates", 0), ("operators", 0)]).is_ok());
        let uses = [("certificates", 2), ("networks", 0), ("operators", 1)];
        let refused = check_unused(name(), &uses).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "region 010 is in use, and was not removed (certificates: 2, operators: 1)"
        );
    }
}
