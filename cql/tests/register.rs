//! The register over CQL passes the suite of every register, on a real cluster: its checks share one register and run beside one another. A failure is
//! a promise of the register that this one breaks; the head of each of the suite's modules says which.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_cql::CqlSettings;
use sistema_ts_cql::register::CqlRegister;
use sistema_ts_store::conformance::names::Names;
use sistema_ts_store::conformance::register::RegisterFactory;
use sistema_ts_store::register::{
    NoJournal, Register, RegisterError, RegisterJournal, RegisterKey,
};

struct OneRegister {
    settings: CqlSettings,
    key: Arc<RegisterKey>,
    names: Names,
}

static ONE: LazyLock<Option<OneRegister>> = LazyLock::new(|| {
    let settings = support::new_keyspaces("register")?;
    let folder = tempfile::tempdir().unwrap();
    let key = RegisterKey::create(&folder.path().join("key")).unwrap();
    let opened = CqlRegister::open(&settings, Arc::new(other_key()), Arc::new(NoJournal), None);
    assert!(matches!(opened, Err(RegisterError::NotMade(_))));
    assert!(!CqlRegister::exists(&settings).unwrap());
    CqlRegister::create(&settings, &key).unwrap();
    Some(OneRegister {
        settings,
        key: Arc::new(key),
        names: Names::default(),
    })
});

fn other_key() -> RegisterKey {
    let folder = tempfile::tempdir().unwrap();
    RegisterKey::create(&folder.path().join("key")).unwrap()
}

struct ToRegister(&'static OneRegister);

impl ToRegister {
    /// None if there is no CQL server.
    fn new() -> Option<Self> {
        // On a thread that may wait.
        let make = || ONE.as_ref().map(Self);
        std::thread::scope(|scope| scope.spawn(make).join().unwrap())
    }

    async fn opened(
        &self,
        journal: Arc<dyn RegisterJournal>,
        poll_interval: Option<Duration>,
    ) -> Arc<dyn Register> {
        let (settings, key) = (self.0.settings.clone(), Arc::clone(&self.0.key));
        let open = move || CqlRegister::open(&settings, key, journal, poll_interval).unwrap();
        Arc::new(tokio::task::spawn_blocking(open).await.unwrap())
    }
}

#[async_trait]
impl RegisterFactory for ToRegister {
    fn names(&self) -> &Names {
        &self.0.names
    }

    async fn open(&self, journal: Arc<dyn RegisterJournal>) -> Arc<dyn Register> {
        self.opened(journal, None).await
    }

    async fn open_watching(&self) -> Arc<dyn Register> {
        let interval = Some(Duration::from_millis(50));
        self.opened(Arc::new(NoJournal), interval).await
    }
}

sistema_ts_store::register_suite!(match ToRegister::new() {
    Some(factory) => factory,
    None => return,
});

#[test]
fn a_register_is_made_once_and_opens_with_its_own_key_alone() {
    let Some(ToRegister(one)) = ToRegister::new() else {
        return;
    };
    assert!(CqlRegister::exists(&one.settings).unwrap());
    for key in [&*one.key, &other_key()] {
        let again = CqlRegister::create(&one.settings, key);
        assert!(matches!(again, Err(RegisterError::AlreadyMade(_))));
    }
    let wrong = Arc::new(other_key());
    let opened = CqlRegister::open(&one.settings, wrong, Arc::new(NoJournal), None);
    assert!(matches!(opened, Err(RegisterError::WrongKey)));
}
