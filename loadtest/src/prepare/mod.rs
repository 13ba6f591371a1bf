//! Everything that a load test of one's own server needs and does not find there: made-up people with cards, operators, requests for
//! certificates, an environment, and the commands that register all of it and later remove it. Nothing that is registered is replaced.

mod commands;
mod preparation;
mod requests;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use sistema_ts_model::{Clock as _, SystemClock};

use crate::callers::MOST_PEOPLE;
use crate::callers::people::{Numbers, fiscal_codes, write_cards};
use crate::error::LoadtestError;
use crate::wire::target::Url;

pub use preparation::Preparation;

impl Preparation {
    /// Writes the folder; says what to do next.
    pub fn write(&self) -> Result<String, LoadtestError> {
        if self.structures > 0 && self.basic_url.is_none() {
            let reason = "structures' users call with user and password: --basic-url is missing";
            return Err(LoadtestError::Usage(reason.into()));
        }
        if !(1..=MOST_PEOPLE).contains(&self.people) || self.regions.is_empty() {
            let reason = format!("at least one region, and from 1 to {MOST_PEOPLE} people");
            return Err(LoadtestError::Usage(reason));
        }
        let is_twice = |place: usize| self.regions[..place].contains(&self.regions[place]);
        if let Some(place) = (0..self.regions.len()).find(|place| is_twice(*place)) {
            let reason = format!("region {} is named twice", self.regions[place].as_str());
            return Err(LoadtestError::Usage(reason));
        }
        let addresses = std::iter::once(&self.mutual_tls_url).chain(&self.basic_url);
        addresses
            .map(|url| Url::parse(url))
            .collect::<Result<Vec<_>, _>>()?;
        if self.folder.exists() {
            let folder = self.folder.display();
            let reason = format!("{folder} is there already, and nothing is written over");
            return Err(LoadtestError::Usage(reason));
        }
        let authority =
            fs::read_to_string(&self.authority).map_err(LoadtestError::file(&self.authority))?;
        fs::create_dir_all(self.folder.parent().unwrap_or(Path::new(".")))
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&self.folder))
            .map_err(LoadtestError::file(&self.folder))?;
        self.file("authority.crt", 0o644, &authority)?;
        let people = fiscal_codes(self.people as usize, &mut Numbers::new(self.seed));
        let mut cards = Vec::new();
        write_cards(&mut cards, &people, SystemClock.now().rome_day())
            .map_err(LoadtestError::file(&self.folder))?;
        self.file("cards.csv", 0o600, &String::from_utf8_lossy(&cards))?;
        for (place, code) in self.region_operators().iter().enumerate() {
            let name = format!("operators/region-{}", self.regions[place].as_str());
            self.file(&name, 0o600, &format!("{code}\n"))?;
        }
        for number in 0..self.call_centers {
            let lines = self.call_center_operators(number).join("\n") + "\n";
            self.file(
                &format!("operators/{}", self.call_center(number)),
                0o600,
                &lines,
            )?;
        }
        for number in 0..self.structures {
            let name = format!("operators/{}", self.user(number));
            self.file(&name, 0o600, &format!("{}\n", self.user_operator(number)))?;
        }
        if self.development_pki.is_none() {
            requests::write(self)?;
        }
        self.file("environment.toml", 0o600, &self.environment())?;
        self.file("register.sh", 0o700, &commands::register(self))?;
        self.file("remove.sh", 0o700, &commands::remove(self))?;
        self.file("admission.sh", 0o700, &commands::admission(self))?;
        Ok(self.next_steps())
    }

    fn environment(&self) -> String {
        let text = |value: &str| toml::Value::from(value).to_string();
        let mut file = format!(
            "# Written by `loadtest prepare`: where the server is, and who calls it.\n[server]\nmutual_tls_url = {}\n",
            text(&self.mutual_tls_url)
        );
        let mut line = |line: String| {
            file.push_str(&line);
            file.push('\n');
        };
        if let Some(url) = &self.basic_url {
            line(format!("basic_url = {}", text(url)));
        }
        line("authority_file = \"authority.crt\"".into());
        if let Some(path) = &self.process_id_file {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            line(format!(
                "process_id_file = {}",
                text(&path.display().to_string())
            ));
        }
        line(format!(
            "\n[people]\nseed = {}\ncount = {}",
            self.seed, self.people
        ));
        for (region, operator) in self.regions.iter().zip(self.region_operators()) {
            let code = region.as_str();
            let (certificate, key) = self.identity(&self.region_file(*region));
            line(format!(
                "\n[[region]]\ncode = \"{code}\"\ncertificate_file = {}\nprivate_key_file = {}\nstructure_description = \"Load test {}\"\noperator = \"{operator}\"",
                text(&certificate),
                text(&key),
                self.name
            ));
        }
        for number in 0..self.structures {
            let user = self.user(number);
            line(format!(
                "\n[[structure]]\nname = \"{user}\"\nstructure = \"{}\"\ncredentials_file = \"users/{user}.json\"",
                self.structure(number)
            ));
        }
        for number in 0..self.call_centers {
            let name = self.call_center(number);
            let (certificate, key) = self.identity(&name);
            line(format!(
                "\n[[call-center]]\nname = \"{name}\"\ncertificate_file = {}\nprivate_key_file = {}\noperators_file = \"operators/{name}\"",
                text(&certificate),
                text(&key)
            ));
        }
        line(
            "\n# Programs that events of scenarios name, for example kill, start, freeze, thaw, backend-down, backend-up. They run in this folder.\n[commands]"
                .into(),
        );
        // A new certificate can be made by the development authority alone.
        let changes = ["revoke", "admit", "renew"];
        let count = if self.development_pki.is_some() { 3 } else { 2 };
        for change in &changes[..count] {
            line(format!("{change} = [\"./admission.sh\", \"{change}\"]"));
        }
        file
    }

    fn next_steps(&self) -> String {
        let folder = self.folder.display();
        let sign = if self.development_pki.is_some() {
            String::new()
        } else {
            format!(
                "Have {folder}/requests/*.csr signed by an authority of the server's tls.client_authority_file, and put each certificate with its chain\nat the same name into {folder}/certificates/, ending in .crt.\n"
            )
        };
        format!(
            "{sign}Where the server's data is, run\n  SISTEMA_TS_CONFIGURATION=sistema-ts.toml {folder}/register.sh\nMeasure:\n  loadtest run smoke --environment {folder}/environment.toml\nAfterwards:\n  SISTEMA_TS_CONFIGURATION=sistema-ts.toml {folder}/remove.sh\n"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a file that the harness itself cannot read, or two people with one codice fiscale.

    use std::collections::HashSet;

    use sistema_ts_model::RegionCode;

    use super::*;
    use crate::callers::environment::EnvironmentFile;

    pub(super) fn preparation(folder: &Path) -> Preparation {
        let authority = folder.join("ca.crt");
        fs::write(&authority, "an authority").unwrap();
        Preparation {
            folder: folder.join("prepared"),
            mutual_tls_url: "https://localhost:8443".into(),
            basic_url: Some("https://localhost:8444".into()),
            authority,
            process_id_file: None,
            regions: RegionCode::all().take(3).collect(),
            call_centers: 2,
            operators: 20,
            structures: 4,
            people: 100,
            seed: 1,
            network: "127.0.0.1/32".into(),
            name: "loadtest".into(),
            development_pki: None,
        }
    }

    #[test]
    fn what_is_written_is_an_environment_with_requests_for_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let preparation = preparation(folder.path());
        preparation.write().unwrap();
        let (environment, _) =
            EnvironmentFile::read(&preparation.folder.join("environment.toml")).unwrap();
        assert_eq!(
            (
                environment.region.len(),
                environment.structure.len(),
                environment.call_center.len()
            ),
            (3, 4, 2)
        );
        let request =
            fs::read_to_string(preparation.folder.join("requests/loadtest-cc2.csr")).unwrap();
        assert!(
            request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"),
            "{request}"
        );
        assert!(
            preparation
                .folder
                .join("keys/loadtest-region-010.key")
                .exists()
        );
        let again = preparation.write().unwrap_err().to_string();
        assert!(again.contains("prepared"), "{again}");
    }

    #[test]
    fn what_cannot_be_prepared_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let no_authority = Preparation {
            authority: folder.path().join("missing"),
            ..preparation(folder.path())
        };
        let mut region_twice = preparation(folder.path());
        region_twice.regions.push(region_twice.regions[0]);
        for (preparation, named) in [(no_authority, "missing"), (region_twice, "named twice")] {
            let error = preparation.write().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
            assert!(!preparation.folder.exists(), "{error}");
        }
    }

    #[test]
    fn the_folder_is_its_makers_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let preparation = preparation(folder.path());
        preparation.write().unwrap();
        let mode = |name: &str| {
            let metadata = fs::metadata(preparation.folder.join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(""), 0o700);
        assert_eq!(mode("keys/loadtest-cc1.key"), 0o600);
    }

    #[test]
    fn commands_are_sound_whatever_a_path_has_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let strange = folder.path().join("it's $HOME; a \"place\"");
        let preparation = Preparation {
            development_pki: Some(strange.clone()),
            network: "127.0.0.1/32'; touch made; '".into(),
            ..preparation(folder.path())
        };
        preparation.write().unwrap();
        let scripts = [
            ("register.sh", ""),
            ("admission.sh", "revoke"),
            ("remove.sh", ""),
        ];
        for (script, argument) in scripts {
            // A function that tells its arguments, reads what it is given and knows of nobody stands in for the server's program.
            let output = std::process::Command::new("bash")
                .arg(preparation.folder.join(script))
                .arg(argument)
                .env("LOADTEST_CALLER_KIND", "region")
                .env("LOADTEST_CALLER", preparation.regions[0].as_str())
                .env(
                    "BASH_FUNC_told%%",
                    "() { echo \"$@\"; cat >/dev/null; [ \"$3\" != show ]; }",
                )
                .env("SISTEMA_TS", "told")
                .stdin(std::process::Stdio::null())
                .env("SISTEMA_TS_CONFIGURATION", "none")
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{output:?}");
            assert!(told.contains(&strange.display().to_string()), "{told}");
        }
        assert!(!preparation.folder.join("made").exists());
    }

    #[test]
    fn operators_that_are_prepared_all_have_codes_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let preparation = preparation(folder.path());
        let mut codes = preparation.region_operators();
        codes.extend((0..2).flat_map(|number| preparation.call_center_operators(number)));
        codes.extend((0..4).map(|number| preparation.user_operator(number)));
        let distinct: HashSet<_> = codes.iter().collect();
        assert_eq!(distinct.len(), codes.len());
    }
}
