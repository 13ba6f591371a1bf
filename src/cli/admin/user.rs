//! `sistema-ts admin user …`

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sistema_ts_model::{
    AslId, MILLIS_PER_DAY, PinCode, Service, StructureId, Timestamp, parse_date,
};
use sistema_ts_store::register::rules::{check_user_profiles, structure_name, user_name};
use sistema_ts_store::register::{
    NewUser, RegisterChange, RegisterError, RegisteredUser, USER_SERVICES, UserId, Workplace,
};

use super::context::Context;
use super::output::service_names;
use crate::auth::{Password, generate_password, generate_pincode};
use crate::cli::error::{AdminError, CliError};
use crate::cli::person::{lines_of, read_file, read_fiscal_code};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a user of a structure or of an ASL, and print its password and pincode, once
    ///
    /// The operator's codice fiscale is read from standard input, one line.
    Add(AddArguments),
    /// List the registered users
    List {
        /// Those of one structure alone
        #[arg(long, value_parser = StructureId::parse, conflicts_with = "asl")]
        structure: Option<StructureId>,
        /// Those of one ASL alone, who belong to no structure
        #[arg(long, value_parser = AslId::parse)]
        asl: Option<AslId>,
    },
    /// Show a user, the operator's codice fiscale included
    Show(UserArgument),
    /// Let a disabled user call again
    Enable(UserArgument),
    /// Refuse a user from the next request on
    Disable(UserArgument),
    /// Give a user a new password and pincode, and print them, once
    Reset {
        /// The user id
        #[arg(value_parser = UserId::parse)]
        id: UserId,
        #[command(flatten)]
        credentials: CredentialsArguments,
    },
    /// End a user's password and pincode now, or with a given day's beginning
    Expire {
        /// The user id
        #[arg(value_parser = UserId::parse)]
        id: UserId,
        /// The first day, in Rome, on which they are no longer valid: YYYY-MM-DD
        #[arg(long, value_name = "DAY", value_parser = parse_date)]
        on: Option<NaiveDate>,
    },
    /// Remove a user who has left; access records keep their own
    Remove(UserArgument),
    /// Replace the services that a user may call; without any, none
    Profiles {
        /// The user id
        #[arg(value_parser = UserId::parse)]
        id: UserId,
        /// invioEsecuzioneTest, annullamentoEsecuzioneTest, elencoTestEffettuati, invioCodiceOtp; of an ASL's user the last alone
        #[arg(value_name = "SERVICE", value_parser = service)]
        services: Vec<Service>,
    },
}

#[derive(Debug, Args)]
pub(super) struct UserArgument {
    /// The user id
    #[arg(value_parser = UserId::parse)]
    id: UserId,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The user id: 3 to 64 letters, digits, dots, dashes and underscores
    #[arg(value_parser = UserId::parse)]
    id: UserId,
    #[command(flatten)]
    workplace: WorkplaceArguments,
    /// Read the operator's codice fiscale from a file instead of standard input
    #[arg(long, value_name = "FILE")]
    fiscal_code_file: Option<PathBuf>,
    /// A service that the user may call: invioEsecuzioneTest, annullamentoEsecuzioneTest, elencoTestEffettuati,
    /// invioCodiceOtp; may be given several times. Of an ASL's user the last alone
    #[arg(long = "profile", value_name = "SERVICE", value_parser = service)]
    profiles: Vec<Service>,
    #[command(flatten)]
    credentials: CredentialsArguments,
}

/// For whom a user calls.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct WorkplaceArguments {
    /// A registered structure: region, ASL and structure, such as 010-101-000123
    #[arg(long, value_parser = StructureId::parse)]
    structure: Option<StructureId>,
    /// An ASL, of no structure: region and ASL, such as 010-101
    #[arg(long, value_parser = AslId::parse)]
    asl: Option<AslId>,
}

/// The one of the two that was named, if any was.
fn workplace_of(structure: Option<StructureId>, asl: Option<AslId>) -> Option<Workplace> {
    structure
        .map(Workplace::Structure)
        .or(asl.map(Workplace::Asl))
}

#[derive(Debug, Args)]
pub(super) struct CredentialsArguments {
    /// Days until password and pincode end, 1 to 3650
    #[arg(long, value_name = "DAYS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    valid_days: u32,
    /// Take the password from a file of one line instead of making it; it is not printed then. The pincode is made in any case
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

fn service(name: &str) -> Result<Service, String> {
    Service::from_name(name)
        .filter(|service| USER_SERVICES.contains(service))
        .ok_or_else(|| {
            let names = USER_SERVICES.map(Service::name);
            format!(
                "not a service that is called with user id and password: {}",
                names.join(", ")
            )
        })
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Add(arguments) => add(context, arguments).await,
        Command::List { structure, asl } => list(context, workplace_of(structure, asl)),
        Command::Show(UserArgument { id }) => show(context, &id),
        Command::Enable(UserArgument { id }) => set_enabled(context, &id, true).await,
        Command::Disable(UserArgument { id }) => set_enabled(context, &id, false).await,
        Command::Reset { id, credentials } => reset(context, &id, credentials).await,
        Command::Expire { id, on } => {
            let end = on.map_or(context.now, Timestamp::start_of_rome_day);
            let set = RegisterChange::SetUserExpiry {
                user: id.clone(),
                expires_at: Some(end),
            };
            context.change(set).await?;
            context
                .output
                .done(&format!("credentials of user {id} end at {end}"))
        }
        Command::Remove(UserArgument { id }) => {
            let removed = RegisterChange::RemoveUser { user: id.clone() };
            context.change(removed).await?;
            context.output.done(&format!("user {id} removed"))
        }
        Command::Profiles { id, services } => {
            let profiles = services.into_iter().collect();
            let set = RegisterChange::SetUserProfiles {
                user: id.clone(),
                profiles,
            };
            context.change(set).await?;
            context.output.fields(&[
                ("user", json!(id.as_str())),
                ("profiles", service_names(profiles)),
            ])
        }
    }
}

async fn add(context: &Context, arguments: AddArguments) -> Result<(), CliError> {
    let WorkplaceArguments { structure, asl } = arguments.workplace;
    // The command line asks for one of the two.
    let workplace = workplace_of(structure, asl).ok_or(AdminError::NoWorkplace)?;
    // The commonest refusals, before anything is written.
    let snapshot = context.register.snapshot();
    if snapshot.user(arguments.id.as_str()).is_some() {
        return Err(AdminError::from(RegisterError::Exists(user_name(&arguments.id))).into());
    }
    if let Workplace::Structure(id) = workplace
        && snapshot.structure(&id).is_none()
    {
        return Err(AdminError::from(RegisterError::Missing(structure_name(id))).into());
    }
    let profiles = arguments.profiles.into_iter().collect();
    check_user_profiles(&workplace, profiles).map_err(AdminError::from)?;
    let issued = arguments.credentials.issue(context)?;
    let user = NewUser {
        id: arguments.id.clone(),
        workplace,
        fiscal_code: read_fiscal_code(arguments.fiscal_code_file.as_deref())?,
        credential: context
            .hasher()?
            .hash(&issued.password, &issued.pincode)
            .map_err(AdminError::from)?,
        expires_at: Some(issued.expires_at),
        profiles,
    };
    issued.write(context, &arguments.id)?;
    context
        .register
        .change(RegisterChange::AddUser(user), context.act())
        .await
        .map_err(|reason| AdminError::NotValid { reason }.into())
}

async fn set_enabled(context: &Context, id: &UserId, enabled: bool) -> Result<(), CliError> {
    let set = RegisterChange::SetUserEnabled {
        user: id.clone(),
        enabled,
    };
    context.change(set).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    context.output.done(&format!("user {id} {state}"))
}

async fn reset(
    context: &Context,
    id: &UserId,
    credentials: CredentialsArguments,
) -> Result<(), CliError> {
    if context.register.snapshot().user(id.as_str()).is_none() {
        return Err(AdminError::from(RegisterError::Missing(user_name(id))).into());
    }
    let issued = credentials.issue(context)?;
    let credential = context
        .hasher()?
        .hash(&issued.password, &issued.pincode)
        .map_err(AdminError::from)?;
    issued.write(context, id)?;
    let set = RegisterChange::SetUserCredential {
        user: id.clone(),
        credential,
        expires_at: Some(issued.expires_at),
    };
    context
        .register
        .change(set, context.act())
        .await
        .map_err(|reason| AdminError::NotValid { reason }.into())
}

/// A password and a pincode on their way to a user.
struct IssuedCredentials {
    password: Password,
    pincode: PinCode,
    expires_at: Timestamp,
    password_made_here: bool,
}

impl CredentialsArguments {
    fn issue(&self, context: &Context) -> Result<IssuedCredentials, AdminError> {
        let password = match &self.password_file {
            None => generate_password(),
            Some(path) => read_password(path)?,
        };
        Ok(IssuedCredentials {
            password,
            pincode: generate_pincode(),
            expires_at: context
                .now
                .plus_millis(i64::from(self.valid_days) * MILLIS_PER_DAY),
            password_made_here: self.password_file.is_none(),
        })
    }
}

/// The password that a file holds, alone.
fn read_password(path: &Path) -> Result<Password, AdminError> {
    let text = read_file(path)?;
    let [password] = lines_of(&text).map_err(|_| AdminError::MoreThanAPassword)?;
    Ok(Password::parse(password)?)
}

impl IssuedCredentials {
    /// Writes what nobody can read a second time, *before* it is valid: what cannot be written is nobody's, and nothing has changed.
    fn write(&self, context: &Context, id: &UserId) -> Result<(), CliError> {
        let mut fields = vec![("user", json!(id.as_str()))];
        refuse_a_sink().map_err(AdminError::NotWritten)?;
        if self.password_made_here {
            fields.push(("password", json!(self.password.expose())));
        }
        fields.push(("pincode", json!(self.pincode.expose())));
        fields.push(("expires_at", json!(self.expires_at.to_string())));
        context.output.fields(&fields).map_err(|error| match error {
            CliError::Output(reason) => AdminError::NotWritten(reason).into(),
            error => error,
        })
    }
}

/// Refuses a standard output that nobody reads: `/dev/null`, which is also what a closed one becomes.
fn refuse_a_sink() -> io::Result<()> {
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let (output, sink) = (
        File::from(output).metadata()?,
        std::fs::metadata("/dev/null")?,
    );
    match output.file_type().is_char_device() && output.rdev() == sink.rdev() {
        true => Err(io::Error::other("standard output leads nowhere")),
        false => Ok(()),
    }
}

fn list(context: &Context, workplace: Option<Workplace>) -> Result<(), CliError> {
    let users = context.register.snapshot().users();
    let rows = users
        .iter()
        .filter(|user| workplace.is_none_or(|workplace| user.workplace == workplace))
        .map(|user| {
            vec![
                json!(user.id.as_str()),
                structure_of(&user.workplace),
                asl_of(&user.workplace),
                json!(user.enabled),
                json!(user.expires_at.map(|end| end.to_string())),
                service_names(user.profiles),
            ]
        });
    context.output.table(
        &[
            "user",
            "structure",
            "asl",
            "enabled",
            "expires_at",
            "profiles",
        ],
        rows.collect(),
    )
}

fn show(context: &Context, id: &UserId) -> Result<(), CliError> {
    let snapshot = context.register.snapshot();
    let user: &RegisteredUser = snapshot
        .user(id.as_str())
        .ok_or_else(|| AdminError::from(RegisterError::Missing(user_name(id))))?;
    context.output.fields(&[
        ("user", json!(id.as_str())),
        ("structure", structure_of(&user.workplace)),
        ("asl", asl_of(&user.workplace)),
        ("fiscal_code", json!(user.fiscal_code.expose())),
        ("enabled", json!(user.enabled)),
        (
            "credentials_set_at",
            json!(user.credential_set_at.to_string()),
        ),
        (
            "expires_at",
            json!(user.expires_at.map(|end| end.to_string())),
        ),
        ("expired", json!(user.is_expired(context.now))),
        ("profiles", service_names(user.profiles)),
    ])
}

/// The structure's identifier, if the user is of one.
fn structure_of(workplace: &Workplace) -> Value {
    match workplace {
        Workplace::Structure(id) => json!(id.to_string()),
        Workplace::Asl(_) => Value::Null,
    }
}

/// The ASL's identifier, if the user is of one and of no structure.
fn asl_of(workplace: &Workplace) -> Value {
    match workplace {
        Workplace::Asl(id) => json!(id.to_string()),
        Workplace::Structure(_) => Value::Null,
    }
}
