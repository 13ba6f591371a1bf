//! The services that a user may call.

use std::fmt;

use sistema_ts_model::{Caller, Service};

/// At most so many operators of one region may hold the profile of `elencoTestEffettuati` (§2.4.3).
pub const MAXIMUM_LISTING_OPERATORS: usize = 3;

/// A set of services.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Profiles(u8);

impl Profiles {
    /// The set without a service.
    pub const NONE: Profiles = Profiles(0);

    /// The set with `service` too.
    #[must_use]
    pub fn with(self, service: Service) -> Self {
        Profiles(self.0 | bit(service))
    }

    /// Whether `service` is in the set.
    #[must_use]
    pub fn contains(self, service: Service) -> bool {
        self.0 & bit(service) != 0
    }

    /// The services, in the order of the document.
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL
            .into_iter()
            .filter(move |service| self.contains(*service))
    }

    /// The names of the services with blanks between: the form in which a register keeps them.
    #[must_use]
    pub fn to_text(self) -> String {
        self.iter().map(Service::name).collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`Profiles::to_text`] wrote; `None` if a name is no service's.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        text.split_ascii_whitespace()
            .try_fold(Self::NONE, |profiles, name| {
                Some(profiles.with(Service::from_name(name)?))
            })
    }

    /// The services that operators of this caller may hold, who are known by codice fiscale; none for a caller that has no such operators.
    #[must_use]
    pub fn of_operators(caller: &Caller) -> Self {
        let services: &[Service] = match caller {
            Caller::Region(_) => &[Service::Listing, Service::AslOtp],
            Caller::CallCenter(_) => &[
                Service::Verification,
                Service::Unlock,
                Service::Confirmation,
            ],
            Caller::Structure(_) | Caller::Asl(_) | Caller::Immuni => &[],
        };
        services.iter().copied().collect()
    }

    /// Whether every service of this set is in the other.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl FromIterator<Service> for Profiles {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        services.into_iter().fold(Self::NONE, Profiles::with)
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

fn bit(service: Service) -> u8 {
    const { assert!(Service::ALL.len() <= u8::BITS as usize) };
    1 << service as u8
}

#[cfg(test)]
mod tests {
    //! A failure means that a user could call a service that was not granted, or not one that was.
    use super::*;

    #[test]
    fn each_service_is_its_own_and_the_text_gives_them_back() {
        for service in Service::ALL {
            let alone = Profiles::NONE.with(service);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [service]);
            assert_eq!(alone.with(service), alone);
            assert_eq!(format!("{alone:?}"), format!("{{{service:?}}}"));
            assert_eq!(Profiles::from_text(&alone.to_text()), Some(alone));
        }
        let all: Profiles = Service::ALL.into_iter().collect();
        assert_eq!(Profiles::from_text(&all.to_text()), Some(all));
        assert_eq!(Profiles::from_text(""), Some(Profiles::NONE));
        assert_eq!(Profiles::from_text("invioEsecuzioneTest altro"), None);
    }
}
