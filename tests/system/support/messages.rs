//! Requests, made-up people only.

use sistema_ts_model::{Clock as _, CodiceFiscale, SystemClock};

/// What a submission says; an element is absent where its value is `None`.
#[derive(Clone)]
pub struct Submission {
    pub authentication_kind: Option<String>,
    pub pincode: Option<String>,
    pub key: Option<String>,
    pub structure: Option<String>,
    pub description: Option<String>,
    pub fiscal_code: String,
    pub swab_date: String,
    pub kind: String,
    pub result: String,
    pub mobile: Option<String>,
    pub email: Option<String>,
}

impl Submission {
    /// A positive swab, as a region submits it.
    pub fn by_region() -> Self {
        Self {
            authentication_kind: Some("2F".into()),
            pincode: None,
            key: None,
            structure: Some(super::installation::STRUCTURE.into()),
            description: None,
            fiscal_code: "BNCLRA75E41F205R".into(),
            swab_date: today(),
            kind: "M".into(),
            result: "P".into(),
            mobile: None,
            email: None,
        }
    }

    /// A positive swab, as a structure's user submits it.
    pub fn by_structure() -> Self {
        Self {
            authentication_kind: None,
            pincode: Some(super::installation::PINCODE.into()),
            ..Self::by_region()
        }
    }

    /// The same with a retry key.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The SOAP message.
    pub fn to_xml(&self) -> String {
        let mut body = String::new();
        let mut add = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                body.push_str(&format!("<s:{name}>{value}</s:{name}>"));
            }
        };
        add("tipoAutenticazione", &self.authentication_kind);
        add("pinCode", &self.pincode);
        add("identificativoRichiesta", &self.key);
        let structure = self.structure.as_ref().map(|structure| {
            let mut parts = structure.split('-');
            ["codiceRegione", "codiceAsl", "codiceStruttura"]
                .map(|name| format!("<t:{name}>{}</t:{name}>", parts.next().unwrap_or_default()))
                .concat()
        });
        add("identificativoStruttura", &structure);
        add("descrizioneStruttura", &self.description);
        add("codiceFiscaleAssistito", &Some(self.fiscal_code.clone()));
        add("dataPrelievo", &Some(self.swab_date.clone()));
        add("tipologiaTest", &Some(self.kind.clone()));
        add("esitoTest", &Some(self.result.clone()));
        add("numeroCellulare", &self.mobile);
        add("contattoEmail", &self.email);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
             <s:InvioEsecuzioneTestRichiesta xmlns:s=\"urn:sistemats:invioEsecuzioneTest:v1\" xmlns:t=\"urn:sistemats:tipi:v1\">\
             {body}</s:InvioEsecuzioneTestRichiesta></e:Body></e:Envelope>"
        )
    }
}

/// Today in Rome.
pub fn today() -> String {
    SystemClock.now().rome_day().to_string()
}

/// The codice fiscale of made-up person number `number`, below a million.
pub fn fiscal_code(number: usize) -> String {
    let letter = |at: usize| char::from(b'A' + u8::try_from(at % 26).unwrap());
    let (high, low) = (number / 1_000, number % 1_000);
    let start = format!(
        "{}{}XPRV80A{:02}H{low:03}",
        letter(high / 676),
        letter(high / 26),
        high % 26 + 1
    );
    ('A'..='Z')
        .map(|check| format!("{start}{check}"))
        .find(|code| CodiceFiscale::parse(code).is_ok())
        .expect("one letter fits")
}
