//! What is renamed and removed, users of an ASL, administrators of callers, and the journal. A failure means that somebody who was removed still
//! gets in, that something goes which is still needed, or that a change is made that no journal has heard of.

use std::sync::Mutex;

use sistema_ts_model::AslId;
use sistema_ts_store::register::{AdministratorId, RegisterError, RegisterSnapshot};

use super::*;

fn asl() -> Workplace {
    Workplace::Asl(AslId::parse("010-101").unwrap())
}

fn user_of_asl(id: &str) -> NewUser {
    NewUser {
        workplace: asl(),
        profiles: Profiles::NONE.with(Service::AslOtp),
        ..new_user(id, FISCAL_CODE)
    }
}

fn anna() -> AdministratorId {
    AdministratorId {
        caller: region(),
        name: user_id("anna.verdi"),
    }
}

fn add_certificate(holder: CertificateHolder, byte: u8) -> RegisterChange {
    RegisterChange::AddCertificate {
        holder,
        fingerprint: Fingerprint([byte; 32]),
        not_after: now(),
    }
}

async fn refusal(register: &EmbeddedRegister, change: RegisterChange) -> RegisterError {
    let before = register.snapshot().generation();
    let error = register.change(change, act()).await.unwrap_err();
    assert_eq!(
        register.snapshot().generation(),
        before,
        "what was refused has changed something"
    );
    error
}

/// What a register shows that made the changes, one that watches it, and one that is opened afterwards.
async fn everywhere(place: &Place, register: &EmbeddedRegister) -> [Arc<RegisterSnapshot>; 2] {
    register.refresh().await.unwrap();
    [register.snapshot(), place.open().snapshot()]
}

#[tokio::test]
async fn a_user_of_an_asl_has_no_structure_and_one_service() {
    let place = Place::new();
    let register = place.open();
    make(
        &register,
        [RegisterChange::AddUser(user_of_asl("anna.verdi"))],
    )
    .await;
    for snapshot in everywhere(&place, &register).await {
        let user = snapshot.user("anna.verdi").unwrap();
        assert_eq!(user.workplace, asl());
        assert_eq!(user.fiscal_code.expose(), FISCAL_CODE);
        assert!(snapshot.structures().is_empty());
    }
    let submission = Profiles::NONE.with(Service::Submission);
    let wrong = NewUser {
        profiles: submission,
        ..user_of_asl("another")
    };
    for change in [
        RegisterChange::AddUser(wrong),
        RegisterChange::SetUserProfiles {
            user: user_id("anna.verdi"),
            profiles: submission,
        },
    ] {
        let refused = refusal(&register, change).await;
        assert_eq!(
            refused.to_string(),
            "operators of ASL 010-101 cannot have this profile"
        );
    }
}

#[tokio::test]
async fn what_is_renamed_keeps_everything_else() {
    let place = Place::new();
    let register = place.open();
    make(
        &register,
        [
            add_region(),
            add_certificate(CertificateHolder::Caller(region()), 1),
        ],
    )
    .await;
    with_structure(&register).await;
    let description = StructureDescription::parse("Ospedale nuovo").unwrap();
    make(
        &register,
        [
            RegisterChange::SetStructureEnabled {
                id: structure(),
                enabled: false,
            },
            RegisterChange::RenameStructure {
                id: structure(),
                description: description.clone(),
            },
            RegisterChange::RenameCaller {
                caller: region(),
                name: "Regione Piemonte".to_owned(),
            },
        ],
    )
    .await;
    for snapshot in everywhere(&place, &register).await {
        let caller = snapshot.caller(&region()).unwrap();
        assert_eq!(
            (&*caller.name, caller.certificates.len()),
            ("Regione Piemonte", 1)
        );
        let entry = snapshot.structure(&structure()).unwrap();
        assert_eq!((&entry.description, entry.enabled), (&description, false));
    }
    let unknown = RegisterChange::RenameCaller {
        caller: Caller::Immuni,
        name: "x".to_owned(),
    };
    assert!(matches!(
        refusal(&register, unknown).await,
        RegisterError::Missing(_)
    ));
}

#[tokio::test]
async fn a_caller_goes_when_nothing_needs_it_any_more_and_not_before() {
    let place = Place::new();
    let register = place.open();
    let holder = CertificateHolder::Caller(region());
    let fiscal_code = CodiceFiscale::parse(FISCAL_CODE).unwrap();
    make(
        &register,
        [
            add_region(),
            add_certificate(holder.clone(), 1),
            add_certificate(holder.clone(), 2),
            RegisterChange::AddOperator {
                caller: region(),
                fiscal_code: fiscal_code.clone(),
                profiles: Profiles::NONE,
            },
            RegisterChange::AddAdministrator {
                administrator: anna(),
            },
        ],
    )
    .await;
    let remove = || RegisterChange::RemoveCaller { caller: region() };
    let used = refusal(&register, remove()).await.to_string();
    assert_eq!(
        used,
        "region 010 is in use, and was not removed (certificates: 2, operators: 1, administrators: 1)"
    );
    let taken_away = [
        RegisterChange::RemoveCertificate {
            holder: holder.clone(),
            fingerprint: Fingerprint([1; 32]),
        },
        RegisterChange::RemoveAdministrator {
            administrator: anna(),
        },
        RegisterChange::RemoveOperator {
            caller: region(),
            fiscal_code,
        },
        RegisterChange::RemoveCertificate {
            holder,
            fingerprint: Fingerprint([2; 32]),
        },
    ];
    for change in taken_away {
        assert!(matches!(
            refusal(&register, remove()).await,
            RegisterError::InUse { .. }
        ));
        make(&register, [change]).await;
    }
    make(&register, [remove()]).await;
    for snapshot in everywhere(&place, &register).await {
        assert!(snapshot.caller(&region()).is_none());
    }
    assert!(matches!(
        refusal(&register, remove()).await,
        RegisterError::Missing(_)
    ));
    // A region that comes back has nothing of what it had.
    make(&register, [add_region()]).await;
    let caller = register.snapshot().caller(&region()).cloned().unwrap();
    assert!(caller.certificates.is_empty());
}

#[tokio::test]
async fn a_user_and_then_the_structure_go_for_every_server() {
    let place = Place::new();
    let (register, server) = (place.open(), place.open());
    with_structure(&register).await;
    make(
        &register,
        [
            RegisterChange::AddUser(new_user("mario.rossi", FISCAL_CODE)),
            RegisterChange::AddUser(user_of_asl("anna.verdi")),
        ],
    )
    .await;
    server.refresh().await.unwrap();
    let first_version = server.snapshot().user("mario.rossi").unwrap().version;
    let remove_structure = || RegisterChange::RemoveStructure { id: structure() };
    let used = refusal(&register, remove_structure()).await.to_string();
    assert_eq!(
        used,
        "structure 010-101-000123 is in use, and was not removed (users: 1)"
    );
    let remove_user = || RegisterChange::RemoveUser {
        user: user_id("mario.rossi"),
    };
    make(&register, [remove_user()]).await;
    assert!(matches!(
        refusal(&register, remove_user()).await,
        RegisterError::Missing(_)
    ));
    server.refresh().await.unwrap();
    assert!(server.snapshot().user("mario.rossi").is_none());
    assert!(server.snapshot().user("anna.verdi").is_some());
    make(&register, [remove_structure()]).await;
    server.refresh().await.unwrap();
    for snapshot in [server.snapshot(), place.open().snapshot()] {
        assert!(snapshot.structure(&structure()).is_none());
        assert!(snapshot.user("anna.verdi").is_some());
    }
    // One who comes back is another: what was remembered of the first does not count.
    with_structure(&register).await;
    make(
        &register,
        [RegisterChange::AddUser(new_user(
            "mario.rossi",
            FISCAL_CODE,
        ))],
    )
    .await;
    server.refresh().await.unwrap();
    assert!(server.snapshot().user("mario.rossi").unwrap().version > first_version);
}

#[tokio::test]
async fn nothing_of_a_removed_user_stays_in_the_file() {
    let place = Place::new();
    {
        let register = place.open();
        with_structure(&register).await;
        make(
            &register,
            [
                RegisterChange::AddUser(new_user("mario.rossi", FISCAL_CODE)),
                RegisterChange::RemoveUser {
                    user: user_id("mario.rossi"),
                },
            ],
        )
        .await;
    }
    // Closed by the last connection, so that the log is in the file.
    let bytes = std::fs::read(place.data().join(super::super::REGISTER_FILE)).unwrap();
    for left in ["mario.rossi", "$argon2id$test"] {
        let found = bytes
            .windows(left.len())
            .any(|part| part == left.as_bytes());
        assert!(!found, "{left} is still in the file");
    }
}

#[tokio::test]
async fn an_administrator_is_known_by_certificates_that_no_service_takes() {
    let place = Place::new();
    let register = place.open();
    let holder = CertificateHolder::Administrator(anna());
    make(&register, [add_region()]).await;
    assert!(matches!(
        refusal(&register, add_certificate(holder.clone(), 7)).await,
        RegisterError::Missing(_)
    ));
    make(
        &register,
        [
            RegisterChange::AddAdministrator {
                administrator: anna(),
            },
            add_certificate(holder.clone(), 7),
            add_certificate(CertificateHolder::Caller(region()), 1),
            RegisterChange::SetAdministratorEnabled {
                administrator: anna(),
                enabled: false,
            },
        ],
    )
    .await;
    for snapshot in everywhere(&place, &register).await {
        let found = snapshot
            .administrator_of_certificate(&Fingerprint([7; 32]))
            .unwrap();
        assert_eq!((&found.id, found.enabled), (&anna(), false));
        assert!(
            snapshot
                .caller_of_certificate(&Fingerprint([7; 32]))
                .is_none()
        );
        assert!(
            snapshot
                .administrator_of_certificate(&Fingerprint([1; 32]))
                .is_none()
        );
        assert_eq!(snapshot.administrators(&region()).len(), 1);
    }
    // A certificate has one holder, of whichever kind.
    for (holder, byte, told) in [
        (holder.clone(), 1, "for region 010"),
        (
            CertificateHolder::Caller(region()),
            7,
            "for administrator anna.verdi of region 010",
        ),
        (holder, 7, "for administrator anna.verdi of region 010"),
    ] {
        let refused = refusal(&register, add_certificate(holder, byte)).await;
        assert!(refused.to_string().ends_with(told), "{refused}");
    }
    make(
        &register,
        [RegisterChange::RemoveAdministrator {
            administrator: anna(),
        }],
    )
    .await;
    for snapshot in everywhere(&place, &register).await {
        assert!(
            snapshot
                .administrator_of_certificate(&Fingerprint([7; 32]))
                .is_none()
        );
        assert!(snapshot.administrators(&region()).is_empty());
    }
    let of_immuni = AdministratorId {
        caller: Caller::Immuni,
        ..anna()
    };
    let refused = RegisterChange::AddAdministrator {
        administrator: of_immuni,
    };
    assert!(matches!(
        refusal(&register, refused).await,
        RegisterError::AdministratorRefused(_)
    ));
}

/// A journal that remembers what it heard, and what a second look at the register showed when a change began.
struct Heard {
    file: std::path::PathBuf,
    refuses: bool,
    lines: Mutex<Vec<String>>,
}

impl Heard {
    fn new(place: &Place, refuses: bool) -> Arc<Heard> {
        Arc::new(Heard {
            file: place.data().join(super::super::REGISTER_FILE),
            refuses,
            lines: Mutex::default(),
        })
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn callers_by_now(&self) -> i64 {
        rusqlite::Connection::open(&self.file)
            .unwrap()
            .query_row("SELECT count(*) FROM callers", [], |row| row.get(0))
            .unwrap()
    }

    fn hear(&self, what: &str, change: &RegisterChange, act: &Act, end: &str) {
        let (kind, object, callers) = (change.kind(), change.object(), self.callers_by_now());
        let line = format!("{what} {kind} {object} {} {callers}{end}", act.at.millis());
        self.lines.lock().unwrap().push(line);
    }
}

impl RegisterJournal for Heard {
    fn begin(&self, change: &RegisterChange, act: &Act) -> Result<(), RegisterError> {
        self.hear("begin", change, act, "");
        match self.refuses {
            true => Err(RegisterError::NotNoted("the journal is full".to_owned())),
            false => Ok(()),
        }
    }

    fn end(&self, change: &RegisterChange, act: &Act, outcome: Result<(), &RegisterError>) {
        self.hear("end", change, act, &format!(" {outcome:?}"));
    }
}

#[tokio::test]
async fn the_journal_hears_of_a_change_before_anybody_sees_it_and_of_its_end() {
    let place = Place::new();
    let journal = Heard::new(&place, false);
    let register = place.open_with(Arc::clone(&journal) as Arc<dyn RegisterJournal>);
    make(&register, [add_region()]).await;
    assert_eq!(
        journal.lines(),
        [
            "begin add_caller region 010 1780000000000 0",
            "end add_caller region 010 1780000000000 1 Ok(())"
        ]
    );
    // What the rules refuse is no change.
    assert!(matches!(
        refusal(&register, add_region()).await,
        RegisterError::Exists(_)
    ));
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn what_the_journal_does_not_take_is_not_made() {
    let place = Place::new();
    let journal = Heard::new(&place, true);
    let register = place.open_with(Arc::clone(&journal) as Arc<dyn RegisterJournal>);
    assert!(matches!(
        refusal(&register, add_region()).await,
        RegisterError::NotNoted(_)
    ));
    assert_eq!(
        journal.lines(),
        ["begin add_caller region 010 1780000000000 0"]
    );
    // Nothing is left open that would keep the next from writing.
    make(&place.open(), [add_region()]).await;
    assert_eq!(place.open().snapshot().callers().len(), 1);
}
