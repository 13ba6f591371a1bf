//! Keys and requests for certificates, with the subjects by which the server knows its callers.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use super::preparation::Preparation;
use crate::error::LoadtestError;

/// Writes a key and a request for each region and call centre.
pub(super) fn write(preparation: &Preparation) -> Result<(), LoadtestError> {
    for region in &preparation.regions {
        let name = preparation.region_file(*region);
        one(preparation, &name, "Regione", region.as_str())?;
    }
    for number in 0..preparation.call_centers {
        let name = preparation.call_center(number);
        one(preparation, &name, "CallCenter", &name)?;
    }
    let path = preparation.folder.join("certificates");
    std::fs::create_dir(&path).map_err(LoadtestError::file(&path))
}

fn one(
    preparation: &Preparation,
    name: &str,
    organization: &str,
    unit: &str,
) -> Result<(), LoadtestError> {
    let failed =
        |error: rcgen::Error| LoadtestError::Usage(format!("a request for a certificate: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "IT");
    subject.push(DnType::OrganizationName, organization);
    subject.push(DnType::OrganizationalUnitName, unit);
    subject.push(DnType::CommonName, name);
    parameters.distinguished_name = subject;
    let request = parameters
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .map_err(failed)?;
    preparation.file(&format!("requests/{name}.csr"), 0o644, &request)?;
    preparation.file(&format!("keys/{name}.key"), 0o600, &key.serialize_pem())
}
