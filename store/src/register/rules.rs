//! The rules of the register, the same for every store: pure, over what a store shows of itself within the change that it is about to make.
//! How an error names an entry is among them; no name holds a fiscal code.

use std::collections::HashSet;

use ipnet::IpNet;
use sistema_ts_model::{Caller, CodiceFiscale, RegionCode, StructureId};

use super::{MAXIMUM_LISTING_OPERATORS, Profiles, RegisterError, UserId, canonical_network};

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
        Caller::CallCenter(code) => format!("call centre {code}"),
        Caller::Immuni => "the Immuni backend".to_owned(),
    }
}

/// A caller's certificate, in an error's text.
#[must_use]
pub fn certificate_name(caller: Caller) -> String {
    format!("the certificate of {}", caller_name(caller))
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

    use sistema_ts_model::{CallCenterCode, Service};

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
}
