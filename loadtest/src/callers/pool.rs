//! The callers of a run: the environment's identities, in the scenario's groups.

use std::collections::HashMap;
use std::path::Path;

use sistema_ts_model::{
    CodiceFiscale, PinCode, StructureDescription, StructureId, StructureReference,
};
use toml::Spanned;

use super::environment::{CallCenterFile, EnvironmentFile, RegionFile, StructureFile};
use super::people::{Numbers, fiscal_codes};
use crate::error::LoadtestError;
use crate::scenario::place::Text;
use crate::scenario::{CallerKind, Group, Scenario, Step, Weight};
use crate::wire::target::Target;

/// Most people: a run about more would be no other.
pub(crate) const MOST_PEOPLE: u32 = 65_536;
/// The official volumes.
const VOLUMES: &str = include_str!("../../../data/national-peak-by-region.csv");

/// Who sends.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// A region or a call centre, by the client certificate of its TLS configuration.
    Certificate,
    /// A structure's user.
    Basic {
        user: String,
        password: String,
        pin_code: String,
    },
}

/// One identity.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) kind: CallerKind,
    /// As results name it.
    pub(crate) name: String,
    /// Whether nobody else sends as this caller.
    pub(crate) exclusive: bool,
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
    /// Whose swabs it submits; none of a call centre.
    pub(crate) structure: Option<StructureReference>,
    /// Who asks for listings and sends ASLs' codes.
    pub(crate) operator: Option<[u8; 16]>,
    /// Who verifies and unlocks; empty of regions and structures.
    pub(crate) operators: Vec<[u8; 16]>,
}

impl Caller {
    /// The three digits of its region; empty of a call centre.
    pub(crate) fn region(&self) -> String {
        match (&self.structure, self.kind) {
            (_, CallerKind::Region) => self.name.clone(),
            (Some(StructureReference::Identifier(id)), _) => {
                id.to_string().chars().take(3).collect()
            }
            _ => String::new(),
        }
    }
}

/// All of a run.
#[derive(Clone)]
pub(crate) struct Callers {
    pub(crate) all: Vec<Caller>,
    /// Of each group its callers, by number, with their weights.
    pub(crate) groups: Vec<Vec<(u16, f64)>>,
    /// The made-up people, by their codici fiscali.
    pub(crate) people: Vec<[u8; 16]>,
}

impl Callers {
    /// Those of the environment that the scenario asks for.
    pub(crate) fn new(
        scenario: &Scenario,
        environment: &EnvironmentFile,
        text: &Text,
    ) -> Result<Self, LoadtestError> {
        let builder = Builder { environment, text };
        let count = environment.people.count;
        if !(1..=MOST_PEOPLE).contains(&count) {
            let reason = format!("people.count: from 1 to {MOST_PEOPLE}");
            return Err(text.mistake_without_place(reason).into());
        }
        let mut callers = Self {
            all: Vec::new(),
            groups: Vec::new(),
            people: fiscal_codes(count as usize, &mut Numbers::new(environment.people.seed)),
        };
        for group in &scenario.groups {
            let members = builder.members(group, scenario)?;
            let members = members
                .into_iter()
                .map(|caller| {
                    let weight = weight(group, &caller);
                    (callers.number_of(caller), weight)
                })
                .collect();
            callers.groups.push(members);
        }
        Ok(callers)
    }

    /// The same, these of whom have other certificates.
    pub(crate) fn renewed(&self, targets: &HashMap<u16, Target>) -> Self {
        let mut callers = self.clone();
        for (number, target) in targets {
            callers.all[usize::from(*number)].target = target.clone();
        }
        callers
    }

    /// A caller of several groups is one.
    fn number_of(&mut self, caller: Caller) -> u16 {
        let known = |known: &&mut Caller| known.kind == caller.kind && known.name == caller.name;
        if let Some(known) = self.all.iter_mut().find(known) {
            known.exclusive |= caller.exclusive;
        } else {
            self.all.push(caller.clone());
        }
        let place = self
            .all
            .iter()
            .position(|known| known.kind == caller.kind && known.name == caller.name);
        // It is there; and an environment has fewer callers than a u16 counts, as was checked.
        place.map_or(0, |place| place as u16)
    }
}

/// The region's swabs on the record day, or an equal share.
fn weight(group: &Group, caller: &Caller) -> f64 {
    if group.weight == Weight::Equal {
        return 1.0;
    }
    let region = caller.region();
    let volume = VOLUMES.lines().skip(1).find_map(|line| {
        let mut columns = line.split(',');
        region
            .starts_with(columns.next()?)
            .then(|| columns.nth(1)?.parse().ok())?
    });
    volume.unwrap_or(1.0)
}

struct Builder<'e> {
    environment: &'e EnvironmentFile,
    text: &'e Text,
}

impl Builder<'_> {
    fn members(&self, group: &Group, scenario: &Scenario) -> Result<Vec<Caller>, LoadtestError> {
        let is_meant = |name: &String| {
            group.only.as_ref().is_none_or(|only| only.contains(name))
                && !group.except.contains(name)
        };
        let environment = self.environment;
        let members: Result<Vec<Caller>, _> = match group.kind {
            CallerKind::Region => {
                let files = environment.region.iter();
                let files = files.filter(|file| is_meant(&file.get_ref().code));
                files.map(|file| self.region(file)).collect()
            }
            CallerKind::Structure => {
                let files = environment.structure.iter();
                let files = files.filter(|file| is_meant(&file.get_ref().name));
                files.map(|file| self.structure(file)).collect()
            }
            CallerKind::CallCenter => {
                let files = environment.call_center.iter();
                let files = files.filter(|file| is_meant(&file.get_ref().name));
                files.map(|file| self.call_center(file)).collect()
            }
        };
        let mut members = members?;
        if members.is_empty() || members.len() > usize::from(u16::MAX) / 64 {
            let reason = format!(
                "the scenario's callers \"{}\" are of kind {}: there are {} that it means; add [[{}]]",
                group.name,
                group.kind.name(),
                members.len(),
                group.kind.name()
            );
            return Err(self.text.mistake_without_place(reason).into());
        }
        let needs_operator = [Step::List, Step::SendCode]
            .into_iter()
            .any(|step| scenario.sends(step));
        for member in &mut members {
            member.exclusive = group.exclusive;
            if needs_operator && group.kind != CallerKind::CallCenter && member.operator.is_none() {
                let reason = format!(
                    "{} {}: the scenario sends list or send-code, which needs its operator",
                    group.kind.name(),
                    member.name
                );
                return Err(self.text.mistake_without_place(reason).into());
            }
        }
        Ok(members)
    }

    fn target(&self, identity: Option<(&Path, &Path)>) -> Result<Target, LoadtestError> {
        let server = &self.environment.server;
        let authority = self.environment.path(&server.authority_file);
        let url = match identity {
            Some(_) => Some(&server.mutual_tls_url),
            None => server.basic_url.as_ref(),
        };
        let url = url.ok_or_else(|| {
            self.text
                .mistake_without_place("server.basic_url: structures' users call there")
        })?;
        let identity = identity.map(|(certificate, key)| {
            (
                self.environment.path(certificate),
                self.environment.path(key),
            )
        });
        let identity = identity
            .as_ref()
            .map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        Target::new(url.get_ref(), &authority, identity).map_err(|error| match error {
            LoadtestError::Address(reason) => self.text.mistake(&url.span(), reason).into(),
            error => error,
        })
    }

    fn region(&self, file: &Spanned<RegionFile>) -> Result<Caller, LoadtestError> {
        let (span, file) = (file.span(), file.get_ref());
        let wrong = |reason: String| self.text.mistake(&span, reason);
        let structure = match (&file.structure, &file.structure_description) {
            (Some(id), None) => StructureId::parse(id)
                .map(StructureReference::Identifier)
                .map_err(|error| wrong(format!("structure: {error}")))?,
            (None, Some(text)) => StructureDescription::parse(text)
                .map(StructureReference::Description)
                .map_err(|error| wrong(format!("structure_description: {error}")))?,
            _ => return Err(wrong("it needs structure or structure_description".into()).into()),
        };
        Ok(Caller {
            kind: CallerKind::Region,
            name: file.code.clone(),
            exclusive: false,
            target: self.target(Some((&file.certificate_file, &file.private_key_file)))?,
            credentials: Credentials::Certificate,
            structure: Some(structure),
            operator: file
                .operator
                .as_deref()
                .map(fiscal_code)
                .transpose()
                .map_err(wrong)?,
            operators: Vec::new(),
        })
    }

    fn structure(&self, file: &Spanned<StructureFile>) -> Result<Caller, LoadtestError> {
        let (span, file) = (file.span(), file.get_ref());
        let wrong = |reason: String| self.text.mistake(&span, reason);
        let structure = StructureId::parse(&file.structure)
            .map(StructureReference::Identifier)
            .map_err(|error| wrong(format!("structure: {error}")))?;
        let path = self.environment.path(&file.credentials_file);
        let text = std::fs::read_to_string(&path).map_err(LoadtestError::file(&path))?;
        let credentials = credentials(&text).ok_or_else(|| LoadtestError::Pem {
            path,
            reason: "not three lines of user, password and pincode, nor what `admin --json user add` prints".into(),
        })?;
        Ok(Caller {
            kind: CallerKind::Structure,
            name: file.name.clone(),
            exclusive: false,
            target: self.target(None)?,
            credentials,
            structure: Some(structure),
            operator: file
                .operator
                .as_deref()
                .map(fiscal_code)
                .transpose()
                .map_err(wrong)?,
            operators: Vec::new(),
        })
    }

    fn call_center(&self, file: &Spanned<CallCenterFile>) -> Result<Caller, LoadtestError> {
        let (span, file) = (file.span(), file.get_ref());
        let path = self.environment.path(&file.operators_file);
        let text = std::fs::read_to_string(&path).map_err(LoadtestError::file(&path))?;
        let operators = text
            .lines()
            .map(|line| fiscal_code(line.split(';').next().unwrap_or_default().trim()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|reason| LoadtestError::Pem {
                path: path.clone(),
                reason,
            })?;
        if operators.is_empty() || operators.len() > usize::from(u16::MAX) {
            return Err(self
                .text
                .mistake(&span, "operators_file: from 1 to 65535 operators")
                .into());
        }
        Ok(Caller {
            kind: CallerKind::CallCenter,
            name: file.name.clone(),
            exclusive: false,
            target: self.target(Some((&file.certificate_file, &file.private_key_file)))?,
            credentials: Credentials::Certificate,
            structure: None,
            operator: None,
            operators,
        })
    }
}

fn fiscal_code(text: &str) -> Result<[u8; 16], String> {
    CodiceFiscale::parse(text).map_err(|error| format!("operator: {error}"))?;
    text.as_bytes()
        .try_into()
        .map_err(|_| "operator: a codice fiscale of 16 characters".into())
}

/// From three lines, or from the JSON of a new user.
fn credentials(text: &str) -> Option<Credentials> {
    let mut lines = text.lines().map(str::trim);
    let (user, password, pin_code) = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json @ serde_json::Value::Object(_)) => {
            let value = |name: &str| json.get(name)?.as_str().map(str::to_owned);
            (
                value("user").or_else(|| value("id"))?,
                value("password")?,
                value("pincode")?,
            )
        }
        _ => (
            lines.next()?.to_owned(),
            lines.next()?.to_owned(),
            lines.next()?.to_owned(),
        ),
    };
    PinCode::parse(&pin_code).ok()?;
    Some(Credentials::Basic {
        user,
        password,
        pin_code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_volumes_are_those_of_the_record_day() {
        let swabs: u64 = VOLUMES
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(2)?.parse::<u64>().ok())
            .sum();
        assert_eq!(swabs, 1_481_349);
    }

    #[test]
    fn credentials_are_read_in_both_forms() {
        for text in [
            "anna\ns3gret\n0123456789\n",
            r#"{"user": "anna", "password": "s3gret", "pincode": "0123456789"}"#,
        ] {
            let read = credentials(text);
            assert!(
                matches!(&read, Some(Credentials::Basic { user, password, pin_code })
                    if user == "anna" && password == "s3gret" && pin_code == "0123456789"),
                "{text}"
            );
        }
        assert!(credentials("anna\ns3gret\n").is_none());
    }
}
