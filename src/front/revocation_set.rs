//! The revocation lists of a listener: which certificates count no more.
//!
//! rustls looks at a list only in a full handshake, and a kept-alive or resumed connection would outlive it. So the
//! lists are read into a set of our own that is asked at each request; the handshake itself asks none, so that a
//! revoked caller is told why in a readable answer instead of a TLS alert.
//!
//! A list speaks for a *key*, not for a name: authorities are renewed under their old name, and what the old key revoked says nothing of the
//! new one's certificates. Of the lists that one key has signed the newest counts. The key is an accepted authority's, or that of an
//! intermediate that a client's chain has shown below one. A list that neither has signed *waits*: its signature is checked when a chain shows
//! its issuer, and until then it counts as well for whatever chain shows its issuer.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;

use super::authorities::Authority;
use super::certificate::ClientCertificate;
use super::intermediates;
use super::revocation::{RevocationList, RevocationListStatus};
use super::signature;

/// How many intermediates are remembered. Below an accepted authority, and by it, any number can be made.
const MOST_INTERMEDIATES: usize = 256;

/// How many lists that nobody has ever checked are held though the files do not have them now, and how many are kept on disk.
pub(super) const MOST_UNCHECKED: usize = 64;

/// A list, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct LoadedList {
    pub(super) list: Arc<RevocationList>,
    /// The key that signed it, if that is an accepted authority's or a shown intermediate's; if not, the list waits.
    pub(super) signer: Option<Vec<u8>>,
    /// Whether its signature was checked at some time and found right: it may wait all the same, for an issuer that has not been shown since
    /// the server started.
    pub(super) was_checked: bool,
    /// Whether the files do not hold it now.
    pub(super) is_kept: bool,
}

impl LoadedList {
    /// A list that the files hold; `signer` is the accepted authority's key that signed it, if there is one.
    pub(super) fn of_files(list: RevocationList, signer: Option<Vec<u8>>) -> Self {
        Self {
            list: Arc::new(list),
            was_checked: signer.is_some(),
            signer,
            is_kept: false,
        }
    }

    /// A list that was kept.
    pub(super) fn kept(list: RevocationList, was_checked: bool) -> Self {
        Self {
            list: Arc::new(list),
            signer: None,
            was_checked,
            is_kept: true,
        }
    }

    /// Whether both wait, and are the same list.
    fn waits_as_well_as(&self, other: &Self) -> bool {
        self.waits() && other.waits() && self.list.der() == other.list.der()
    }

    /// Whether both are signed, by the same authority, and for the same part of its certificates.
    fn is_of_the_series_of(&self, other: &Self) -> bool {
        self.signer.is_some()
            && self.signer == other.signer
            && self.list.issuer_name() == other.list.issuer_name()
            && self.list.scope() == other.list.scope()
    }

    fn waits(&self) -> bool {
        self.signer.is_none()
    }

    /// Whether it is held although the files do not have it, and nobody has ever checked its signature.
    fn is_held_unchecked(&self) -> bool {
        self.waits() && self.is_kept && !self.was_checked
    }

    /// Whether its issuer is this authority, which may not be known otherwise.
    fn is_of(&self, authority: &Authority, provider: &CryptoProvider) -> bool {
        match &self.signer {
            Some(signer) => {
                *signer == authority.public_key && self.list.issuer_name() == authority.name
            }
            None => self.list.is_signed_by(authority, provider),
        }
    }
}

/// Everything that is revoked, and the authorities by whose word; swapped in as a whole.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    /// Those of the file.
    authorities: Vec<Authority>,
    /// Those below them that chains have shown.
    intermediates: Vec<Authority>,
    lists: Vec<LoadedList>,
}

impl RevocationSet {
    /// The set after `before`: lists of the files first, then those that were kept on disk. Intermediates that stand below the accepted
    /// authorities still are known as before.
    pub(super) fn succeeding(
        before: &Self,
        authorities: Vec<Authority>,
        of_files: Vec<LoadedList>,
        kept: Vec<LoadedList>,
        provider: &CryptoProvider,
    ) -> Self {
        let known = before.intermediates.clone();
        let intermediates = intermediates::still_below(&authorities, known, provider);
        let earlier = before.lists.iter().cloned().map(|earlier| LoadedList {
            is_kept: true,
            ..earlier
        });
        let mut set = Self {
            authorities,
            intermediates,
            lists: Vec::new(),
        };
        set.lists = set.settled(of_files.into_iter().chain(earlier).chain(kept), provider);
        set
    }

    /// The same with intermediates that a chain has shown; whether other lists count now than before.
    pub(super) fn showing(&self, shown: Vec<Authority>, provider: &CryptoProvider) -> (Self, bool) {
        let mut set = self.clone();
        let mut shown: Vec<Authority> = shown
            .into_iter()
            .filter(|authority| !self.knows(&authority.certificate))
            .collect();
        if set.intermediates.len() + shown.len() > MOST_INTERMEDIATES {
            // Those without a list are found again when they are shown again.
            let lists = &self.lists;
            let has_list = |known: &Authority| {
                let signs = |list: &LoadedList| list.signer.as_ref() == Some(&known.public_key);
                lists.iter().any(signs)
            };
            set.intermediates.retain(has_list);
            shown.truncate(MOST_INTERMEDIATES.saturating_sub(set.intermediates.len()));
        }
        set.intermediates.append(&mut shown);
        // Lists of the files first, as when they are read.
        let (kept, of_files): (Vec<_>, Vec<_>) =
            self.lists.iter().cloned().partition(|list| list.is_kept);
        set.lists = set.settled(of_files.into_iter().chain(kept), provider);
        let is_changed =
            set.lists.len() != self.lists.len() || self.waiting().count() != set.waiting().count();
        (set, is_changed)
    }

    /// Which of the lists count: of each series the newest, and of those that wait whatever may turn out to be.
    fn settled(
        &self,
        loaded: impl Iterator<Item = LoadedList>,
        provider: &CryptoProvider,
    ) -> Vec<LoadedList> {
        let mut settled: Vec<LoadedList> = Vec::new();
        for mut one in loaded {
            one.signer = self.signer_of(&one, provider);
            one.was_checked |= one.signer.is_some();
            let same = |other: &&mut LoadedList| {
                one.is_of_the_series_of(other) || one.waits_as_well_as(other)
            };
            if let Some(other) = settled.iter_mut().find(same) {
                if other.list.is_older_than(&one.list) {
                    *other = one;
                } else {
                    other.was_checked |= one.was_checked;
                }
            } else if !one.is_held_unchecked() || is_worth_holding(&one, &mut settled) {
                settled.push(one);
            }
        }
        settled
    }

    /// The key of the known authority that signed a list.
    fn signer_of(&self, loaded: &LoadedList, provider: &CryptoProvider) -> Option<Vec<u8>> {
        let mut known = self.authorities.iter().chain(&self.intermediates);
        let signer = match &loaded.signer {
            Some(signer) => known.find(|authority| {
                authority.public_key == *signer && authority.name == loaded.list.issuer_name()
            }),
            None => known.find(|authority| loaded.list.is_signed_by(authority, provider)),
        };
        signer.map(|authority| authority.public_key.clone())
    }

    /// Whether the certificate, or one of those above it, is revoked.
    pub fn revokes(&self, certificate: &ClientCertificate, provider: &CryptoProvider) -> bool {
        let keys = certificate.revocation_keys.iter().enumerate();
        keys.into_iter().any(|(place, key)| {
            self.lists.iter().any(|loaded| {
                loaded.list.has(key) && self.speaks_of(loaded, certificate, place, provider)
            })
        })
    }

    /// Whether a list that has name and number of the certificate at `place` of a chain is that of the key that signed it. Asked for
    /// certificates only that a list seems to revoke.
    fn speaks_of(
        &self,
        loaded: &LoadedList,
        certificate: &ClientCertificate,
        place: usize,
        provider: &CryptoProvider,
    ) -> bool {
        // In whatever order they were shown.
        let others = certificate.chain.iter().enumerate();
        let shown = others
            .filter(|(other, _)| *other != place)
            .filter_map(|(_, der)| Authority::read(der));
        let known = self.authorities.iter().cloned();
        let mut issuers = known
            .chain(shown)
            .filter(|issuer| issuer.name == loaded.list.issuer_name());
        let own = &certificate.chain[place];
        issuers.any(|issuer| {
            loaded.is_of(&issuer, provider)
                && signature::verify(own, &issuer.public_key, provider).is_ok()
        })
    }

    /// What there is to tell of the lists. Those that were kept for an issuer that nobody has shown yet are no matter to anybody.
    pub fn lists(&self) -> Vec<RevocationListStatus> {
        let told = |loaded: &&LoadedList| !(loaded.waits() && loaded.is_kept);
        let status = |loaded: &LoadedList| loaded.list.status(!loaded.waits(), loaded.is_kept);
        self.lists.iter().filter(told).map(status).collect()
    }

    /// All lists, to be kept.
    pub(super) fn loaded(&self) -> &[LoadedList] {
        &self.lists
    }

    fn waiting(&self) -> impl Iterator<Item = &LoadedList> {
        self.lists.iter().filter(|loaded| loaded.waits())
    }

    /// Names of the authorities, for people, whose certificates no list can revoke: accepted ones, and those that chains have shown below them.
    pub(super) fn authorities_without_list(&self) -> Vec<String> {
        let shown = self.intermediates.iter();
        let known = self
            .authorities
            .iter()
            .chain(shown.filter(|shown| !self.accepts(shown)));
        let mut names: Vec<String> = known
            .filter(|authority| !self.covers(authority))
            .map(|authority| authority.title.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a list of this authority's key counts.
    fn covers(&self, authority: &Authority) -> bool {
        let is_its = |loaded: &LoadedList| {
            loaded.signer.as_ref() == Some(&authority.public_key)
                && loaded.list.issuer_name() == authority.name
        };
        self.lists.iter().any(is_its)
    }

    /// Whether it is one of the accepted authorities.
    fn accepts(&self, authority: &Authority) -> bool {
        let same = |known: &Authority| {
            known.public_key == authority.public_key && known.name == authority.name
        };
        self.authorities.iter().any(same)
    }

    /// Whether this is the certificate of an authority that is accepted or was shown.
    pub(super) fn knows(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut known = self.authorities.iter().chain(&self.intermediates);
        known.any(|authority| authority.certificate == *certificate)
    }
}

/// Whether a list is held that the files no longer have and that nobody has ever checked. Of those that say the same of their issuer the
/// newest is enough; what the files hold now counts among them.
fn is_worth_holding(one: &LoadedList, settled: &mut Vec<LoadedList>) -> bool {
    let is_alike =
        |other: &LoadedList| other.waits() && !other.was_checked && other.list.claims_as(&one.list);
    let mut alike = settled.iter().filter(|other| is_alike(other));
    if alike.any(|other| !other.list.is_older_than(&one.list)) {
        return false;
    }
    settled.retain(|other| !(is_alike(other) && other.is_kept));
    settled
        .iter()
        .filter(|other| other.is_held_unchecked())
        .count()
        < MOST_UNCHECKED
}
