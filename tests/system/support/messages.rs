//! Requests, made-up people only.

use sistema_ts_model::{Clock as _, CodiceFiscale, Cun, Service, SystemClock};

use super::installation::{ASL_USER, USER, pincode_of};

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
            fiscal_code: super::installation::PATIENT.into(),
            swab_date: today(),
            kind: "M".into(),
            result: "P".into(),
            mobile: None,
            email: None,
        }
    }

    /// The same of made-up person `number`, see [`fiscal_code`].
    pub fn about(number: usize) -> Self {
        Self {
            fiscal_code: fiscal_code(number),
            ..Self::by_region()
        }
    }

    /// A positive swab, as a structure's user submits it.
    pub fn by_structure() -> Self {
        Self {
            authentication_kind: None,
            pincode: Some(pincode_of(USER)),
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
        let structure = self.structure.as_deref().map(inside_of_structure);
        add("identificativoStruttura", &structure);
        add("descrizioneStruttura", &self.description);
        add("codiceFiscaleAssistito", &Some(self.fiscal_code.clone()));
        add("dataPrelievo", &Some(self.swab_date.clone()));
        add("tipologiaTest", &Some(self.kind.clone()));
        add("esitoTest", &Some(self.result.clone()));
        add("numeroCellulare", &self.mobile);
        add("contattoEmail", &self.email);
        envelope(Service::Submission, &body)
    }
}

/// The elements of a structure's identifier.
fn inside_of_structure(structure: &str) -> String {
    let mut parts = structure.split('-');
    ["codiceRegione", "codiceAsl", "codiceStruttura"]
        .map(|name| format!("<t:{name}>{}</t:{name}>", parts.next().unwrap_or_default()))
        .concat()
}

/// The SOAP message of a request with these elements.
fn envelope(service: Service, body: &str) -> String {
    let (name, element) = (service.name(), service.element());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
         <s:{element}Richiesta xmlns:s=\"urn:sistemats:{name}:v1\" xmlns:t=\"urn:sistemats:tipi:v1\">\
         {body}</s:{element}Richiesta></e:Body></e:Envelope>"
    )
}

/// A message of any service, made of elements that hold text; submissions have a shape of their own, [`Submission`].
#[derive(Clone)]
pub struct Message {
    service: Service,
    /// In this order; each but those of `opzioni` once.
    elements: Vec<(&'static str, String)>,
    options: Vec<(String, String)>,
}

impl Message {
    /// One without any element.
    pub fn to(service: Service) -> Self {
        Self {
            service,
            elements: Vec::new(),
            options: Vec::new(),
        }
    }

    /// `annullamentoEsecuzioneTest` by a region, of a test of [`super::installation::STRUCTURE`].
    pub fn cancellation(cun: &str, patient: &str) -> Self {
        Self::to(Service::Cancellation)
            .with("tipoAutenticazione", "2F")
            .with_structure(super::installation::STRUCTURE)
            .with("codiceFiscaleAssistito", patient)
            .with("identificativoTransazione", cun)
            .with("tipologiaTest", "M")
    }

    /// `elencoTestEffettuati` by region 010, of what was communicated today.
    pub fn listing() -> Self {
        Self::to(Service::Listing)
            .with("tipoAutenticazione", "2F")
            .with("dataInizioIntervallo", today())
            .with("dataFineIntervallo", today())
            .with("tipologiaTest", "M")
            .with("identificativoUtente", super::installation::OPERATOR)
    }

    /// The same with a structure by its description, in the place of one by its identifier.
    pub fn with_description(self, description: &str) -> Self {
        self.without("identificativoStruttura")
            .with("descrizioneStruttura", description)
    }

    /// `verificaPositivita`.
    pub fn verification(operator: &str, card: &str, cun: &str) -> Self {
        Self::to(Service::Verification)
            .with("tipoAutenticazione", "2F")
            .with("codiceFiscaleOperatore", operator)
            .with("numeroTesseraSanitaria", card)
            .with("cun", cun)
    }

    /// `sbloccoCodiceImmuni`, of symptoms that began today.
    pub fn unlock(operator: &str, session: &str, otp: &str) -> Self {
        Self::to(Service::Unlock)
            .with("tipoAutenticazione", "2F")
            .with("codiceOtp", otp)
            .with("dataInizioSintomi", today())
            .with("codiceFiscaleOperatore", operator)
            .with("idVerificaTampone", session)
    }

    /// `confermaSbloccoImmuni` of kind `C` or `A`, without the id of a verification.
    pub fn confirmation(kind: &str, operator: &str, cun: &str) -> Self {
        Self::to(Service::Confirmation)
            .with("tipoAutenticazione", "2F")
            .with("idTipoComunicazione", kind)
            .with("codiceFiscaleOperatore", operator)
            .with("cun", cun)
    }

    /// `invioCodiceOtp` by a region's operator, without a day of symptoms.
    pub fn asl_otp_of_region(operator: &str, otp: &str, patient: &str) -> Self {
        Self::to(Service::AslOtp)
            .with("tipoAutenticazione", "2F")
            .with("codiceFiscaleOperatore", operator)
            .with("codiceOtp", otp)
            .with("codiceFiscaleAssistito", patient)
    }

    /// `invioCodiceOtp` by a user, without a day of symptoms.
    pub fn asl_otp_of_user(otp: &str, patient: &str) -> Self {
        Self::to(Service::AslOtp)
            .with("pinCode", pincode_of(ASL_USER))
            .with("codiceOtp", otp)
            .with("codiceFiscaleAssistito", patient)
    }

    /// The same with this element: in its place if it is there, else at the end.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.elements.iter_mut().find(|(known, _)| *known == name) {
            Some(element) => element.1 = value,
            None => self.elements.push((name, value)),
        }
        self
    }

    /// The same with a structure, by its identifier.
    pub fn with_structure(self, structure: &str) -> Self {
        self.with("identificativoStruttura", inside_of_structure(structure))
    }

    /// The same without this element.
    pub fn without(mut self, name: &str) -> Self {
        self.elements.retain(|(known, _)| *known != name);
        self
    }

    /// The same with one more option.
    pub fn with_option(mut self, key: &str, value: &str) -> Self {
        self.options.push((key.into(), value.into()));
        self
    }

    /// Where it is sent.
    pub fn path(&self) -> String {
        format!("/soap/v1/{}", self.service.name())
    }

    /// The SOAP message.
    pub fn to_xml(&self) -> String {
        let mut body: String = self
            .elements
            .iter()
            .map(|(name, value)| format!("<s:{name}>{value}</s:{name}>"))
            .collect();
        if !self.options.is_empty() {
            let options: String = self
                .options
                .iter()
                .map(|(key, value)| {
                    format!(
                        "<t:opzione><t:chiave>{key}</t:chiave><t:valore>{value}</t:valore></t:opzione>"
                    )
                })
                .collect();
            body.push_str(&format!("<s:opzioni>{options}</s:opzioni>"));
        }
        envelope(self.service, &body)
    }
}

/// A one-time code with a right check symbol; every number below 25⁹ has its own.
pub fn otp(number: u64) -> String {
    // Symbols and check are those of a CUN, without its prefix.
    let text = Cun::from_number(number).unwrap().to_string();
    text["CUN-".len()..].to_owned()
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
