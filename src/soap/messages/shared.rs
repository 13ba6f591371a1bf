//! What several requests have in common: the elements that say who calls, which structure is meant and who the operator is, and how the
//! values of a request are held.

use std::fmt;

use crate::soap::description::{Element, Occurs};
use crate::soap::fields::{FieldText, Fields};
use crate::soap::types;

/// `tipoAutenticazione`, as every request has it.
pub const AUTHENTICATION_KIND: Element = Element::text(
    "tipoAutenticazione",
    Occurs::Optional,
    &types::AUTHENTICATION_KIND,
    "Da indicare sempre con il certificato (senza: errore 1011), mai con utente e password (errore 1013).",
);

/// `tipoAutenticazione`, as the requests have it that come with a certificate alone.
pub const CERTIFICATE_AUTHENTICATION_KIND: Element = Element::text(
    "tipoAutenticazione",
    Occurs::Optional,
    &types::AUTHENTICATION_KIND,
    "Come il sistema chiamante ha autenticato l'operatore. Da indicare sempre: la richiesta senza è respinta con l'errore 1011.",
);

/// `pinCode`, as every request of a service has it that users may call.
pub const PIN_CODE: Element = Element::text(
    "pinCode",
    Occurs::Optional,
    &types::PIN_CODE,
    "Obbligatorio con utente e password, non ammesso con il certificato.",
);

/// `identificativoRichiesta`, as every request has it that may be sent again safely.
pub const REQUEST_KEY: Element = Element::text(
    "identificativoRichiesta",
    Occurs::Optional,
    &types::REQUEST_KEY,
    "Chiave della richiesta: rende sicuro inviarla di nuovo.",
);

/// `codiceFiscaleOperatore`, where it is required.
pub const OPERATOR: Element = Element::text(
    "codiceFiscaleOperatore",
    Occurs::Once,
    &types::CODICE_FISCALE,
    "Codice fiscale dell'operatore, già censito.",
);

/// `identificativoStruttura`, of a request.
pub const STRUCTURE: Element = Element::structure(
    "identificativoStruttura",
    Occurs::Optional,
    &types::STRUCTURE_ID,
    "Struttura che ha eseguito il tampone. Dalla struttura è obbligatorio; dalla regione, in alternativa a descrizioneStruttura.",
);

/// `descrizioneStruttura`, of a request.
pub const STRUCTURE_DESCRIPTION: Element = Element::text(
    "descrizioneStruttura",
    Occurs::Optional,
    &types::STRUCTURE_DESCRIPTION,
    "Solo dalla regione, in alternativa a identificativoStruttura.",
);

/// `tipologiaTest`, of a request.
pub const TEST_KIND: Element = Element::text(
    "tipologiaTest",
    Occurs::Once,
    &types::TEST_KIND,
    "Tipologia del test.",
);

/// One value of a request as it came: there or not, and not judged yet. `Debug` shows nothing of it.
pub struct RawField<'a> {
    /// The name of its element.
    pub name: &'static str,
    /// Its text.
    pub text: Option<FieldText<'a>>,
}

impl<'a> RawField<'a> {
    /// Takes it out of a message, in whose description its element is at `node`.
    #[must_use]
    pub fn take(fields: &mut Fields<'a>, name: &'static str, node: usize) -> Self {
        let text = fields.take(node);
        Self { name, text }
    }
}

impl fmt::Debug for RawField<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawField(..)")
    }
}

/// Which structure a request means, as it came: `identificativoStruttura`, if any of its codes is there, and `descrizioneStruttura`.
#[derive(Debug)]
pub struct RawStructure<'a> {
    /// `codiceRegione`
    pub region: RawField<'a>,
    /// `codiceAsl`
    pub asl: RawField<'a>,
    /// `codiceStruttura`
    pub code: RawField<'a>,
    /// `descrizioneStruttura`
    pub description: RawField<'a>,
}

impl RawStructure<'_> {
    /// The name of the element that holds the three codes.
    pub const IDENTIFIER: &'static str = "identificativoStruttura";

    /// Whether any of the three codes is there.
    #[must_use]
    pub fn has_identifier(&self) -> bool {
        [&self.region, &self.asl, &self.code]
            .iter()
            .any(|code| code.text.is_some())
    }
}

/// Makes the structure that holds the values of a request, each under the name of its element: a misspelt element does not build. With
/// `and structure` it holds the elements that say which structure is meant as well.
macro_rules! raw_request {
    (
        $(#[$outer:meta])*
        pub struct $name:ident of $message:ident { $($field:ident: $element:literal,)+ }
        $(and $structure:ident)?
    ) => {
        const _: () = $message.assert_decodable();

        $(#[$outer])*
        #[derive(Debug)]
        pub struct $name<'a> {
            $(
                #[doc = concat!("`", $element, "`")]
                pub $field: $crate::soap::messages::shared::RawField<'a>,
            )+
            $(
                /// `identificativoStruttura` and `descrizioneStruttura`
                pub $structure: $crate::soap::messages::shared::RawStructure<'a>,
            )?
        }

        impl<'a> $name<'a> {
            /// Takes the values out of a message.
            #[must_use]
            pub fn take(fields: &mut $crate::soap::fields::Fields<'a>) -> Self {
                use $crate::soap::messages::shared::raw_field;
                Self {
                    $($field: raw_field!(fields, $message, $element),)+
                    $($structure: $crate::soap::messages::shared::RawStructure {
                        region: raw_field!(fields, $message, "identificativoStruttura", "codiceRegione"),
                        asl: raw_field!(fields, $message, "identificativoStruttura", "codiceAsl"),
                        code: raw_field!(fields, $message, "identificativoStruttura", "codiceStruttura"),
                        description: raw_field!(fields, $message, "descrizioneStruttura"),
                    },)?
                }
            }
        }
    };
}
pub(super) use raw_request;

/// Takes the field at a path out of a message.
macro_rules! raw_field {
    ($fields:expr, $message:ident, $($path:literal),+) => {
        $crate::soap::messages::shared::RawField::take(
            $fields,
            const { $message.element(&[$($path),+]) },
            const { $message.node(&[$($path),+]) },
        )
    };
}
pub(super) use raw_field;
