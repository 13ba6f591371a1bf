//! The password of a database role: in a file, which is read again for each connection, so that a new one needs no new start.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use scylla::authentication::{
    AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator,
};
use sistema_ts_store::permissions::check_secret_file;
use zeroize::Zeroizing;

use crate::connect_error::ConnectError;

/// No file of a password is longer; what is longer is another file.
const LONGEST_FILE: u64 = 1_024;

/// Reads a password: the one line of a file that is its owner's alone.
///
/// # Errors
/// [`ConnectError::Permissions`] if others can read it, [`ConnectError::File`] if it cannot be read or holds no password.
pub(crate) fn read_password(file: &Path) -> Result<Zeroizing<String>, ConnectError> {
    use std::io::Read as _;
    let wrong = |reason: &dyn ToString| ConnectError::File {
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    check_secret_file(file)?;
    let opened = std::fs::File::open(file).map_err(|reason| wrong(&reason))?;
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize + 1));
    let read = opened.take(LONGEST_FILE + 1).read_to_string(&mut text);
    let length = read.map_err(|reason| wrong(&reason))?;
    let line = text.trim_start_matches('\u{feff}');
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains(['\r', '\n', '\0']) || length > LONGEST_FILE as usize {
        return Err(wrong(&"it does not hold a password, on one line"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Signs in as a role with the password that its file holds then.
pub(crate) struct FromFile {
    pub(crate) role: String,
    pub(crate) file: PathBuf,
}

#[async_trait]
impl AuthenticatorProvider for FromFile {
    async fn start_authentication_session(
        &self,
        authenticator: &str,
    ) -> Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError> {
        let password = read_password(&self.file).map_err(|error| error.to_string())?;
        // The driver's own copy is not overwritten when it is dropped.
        let plain = PlainTextAuthenticator::new(self.role.clone(), (*password).clone());
        plain.start_authentication_session(authenticator).await
    }
}
