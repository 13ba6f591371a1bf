//! Names that no other check of the same place has: so several checks may share a place, in any order and at once, and none needs an empty one.

use std::sync::atomic::{AtomicU32, Ordering};

use sistema_ts_model::{AslId, CallCenterCode, Caller, CodiceFiscale, RegionCode, StructureId};

use crate::register::{Fingerprint, UserId};
use crate::samples::fiscal_code;

/// People of these numbers are nobody's else: neither patients nor operators of the store's suite, see [`super::world`].
const FIRST_PERSON: u32 = 410_000;

/// Where the checks of one place take their names from. There are 21 regions, so that the checks of one place take no more than these.
#[derive(Debug, Default)]
pub struct Names {
    regions: AtomicU32,
    numbers: AtomicU32,
}

impl Names {
    fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A region.
    pub fn region(&self) -> RegionCode {
        let taken = self.regions.fetch_add(1, Ordering::Relaxed) as usize;
        let mut all = RegionCode::all();
        all.nth(taken)
            .expect("the checks of a suite take no more regions than there are")
    }

    /// A structure of a region.
    pub fn structure_of(&self, region: RegionCode) -> StructureId {
        let text = format!("{region}-101-{:06}", self.number());
        StructureId::parse(&text).expect("well-formed")
    }

    /// An ASL of a region.
    pub fn asl_of(&self, region: RegionCode) -> AslId {
        let text = format!("{region}-{:03}", self.number() % 1_000);
        AslId::parse(&text).expect("well-formed")
    }

    /// A call centre.
    pub fn call_center(&self) -> Caller {
        let code = format!("cc-{}", self.number());
        Caller::CallCenter(CallCenterCode::parse(&code).expect("well-formed"))
    }

    /// A person.
    pub fn person(&self) -> CodiceFiscale {
        fiscal_code(FIRST_PERSON + self.number())
    }

    /// The name of a user.
    pub fn user(&self) -> UserId {
        UserId::parse(&format!("user-{}", self.number())).expect("well-formed")
    }

    /// What a certificate is known by.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&self.number().to_be_bytes());
        Fingerprint(bytes)
    }
}
