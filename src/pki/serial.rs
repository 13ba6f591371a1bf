//! Serial numbers of certificates.

use rcgen::SerialNumber;

use super::error::PkiError;

/// Sixteen random bytes; the first is from 1 to 127, so that the number is positive and its length does not vary.
pub(super) fn random_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0_u8; 16];
    loop {
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PkiError::Random)?;
        if (1..0x80).contains(&bytes[0]) {
            return Ok(SerialNumber::from_slice(&bytes));
        }
    }
}

/// A serial number without the zero that keeps DER's integers positive.
pub(super) fn strip_zeros(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    &serial[zeros..]
}
