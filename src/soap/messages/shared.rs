//! What several requests have in common: the elements that say who calls, which structure is meant and who the operator is, and how the
//! values of a request are held.

use std::fmt;

use crate::soap::description::{Element, Message, Occurs};
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
    /// Its node in the description of the request.
    pub node: usize,
    /// Its text.
    pub text: Option<FieldText<'a>>,
}

impl<'a> RawField<'a> {
    /// Takes it out of a message.
    #[must_use]
    pub fn take(fields: &mut Fields<'a>, node: usize) -> Self {
        Self {
            node,
            text: fields.take(node),
        }
    }
}

impl fmt::Debug for RawField<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawField(..)")
    }
}

/// Makes the structure that holds the values of a request, each under the node of its element: a misspelt element does not build.
macro_rules! raw_request {
    ($(#[$outer:meta])* pub struct $name:ident of $message:ident { $($field:ident: $element:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug)]
        pub struct $name<'a> {
            $(
                #[doc = concat!("`", $element, "`")]
                pub $field: $crate::soap::messages::shared::RawField<'a>,
            )+
        }

        impl<'a> $name<'a> {
            /// Takes the values out of a message.
            #[must_use]
            pub fn take(fields: &mut $crate::soap::fields::Fields<'a>) -> Self {
                Self {
                    $($field: $crate::soap::messages::shared::RawField::take(
                        fields,
                        const { $message.node(&[$element]) },
                    ),)+
                }
            }
        }
    };
}
pub(super) use raw_request;

/// Where a request says who calls.
#[derive(Debug, Clone, Copy)]
pub struct AuthenticationNodes {
    /// `tipoAutenticazione`
    pub kind: usize,
    /// `pinCode`, where users may call.
    pub pin_code: Option<usize>,
}

/// Where a request says which structure it means.
#[derive(Debug, Clone, Copy)]
pub struct StructureNodes {
    /// `identificativoStruttura`
    pub structure: usize,
    /// `identificativoStruttura` / `codiceRegione`
    pub region: usize,
    /// `identificativoStruttura` / `codiceAsl`
    pub asl: usize,
    /// `identificativoStruttura` / `codiceStruttura`
    pub code: usize,
    /// `descrizioneStruttura`
    pub description: usize,
}

impl StructureNodes {
    /// Those of `message`.
    ///
    /// # Panics
    /// If the message has no structure: at compile time, where it is meant to be called.
    #[must_use]
    pub const fn of(message: &Message) -> Self {
        Self {
            structure: message.node(&["identificativoStruttura"]),
            region: message.node(&["identificativoStruttura", "codiceRegione"]),
            asl: message.node(&["identificativoStruttura", "codiceAsl"]),
            code: message.node(&["identificativoStruttura", "codiceStruttura"]),
            description: message.node(&["descrizioneStruttura"]),
        }
    }
}

/// `identificativoStruttura` as it came. `Debug` shows no value.
pub struct RawStructure<'a> {
    /// `codiceRegione`
    pub region: Option<FieldText<'a>>,
    /// `codiceAsl`
    pub asl: Option<FieldText<'a>>,
    /// `codiceStruttura`
    pub structure: Option<FieldText<'a>>,
}

impl<'a> RawStructure<'a> {
    /// Takes it out of a message; `None` if none of its codes is there.
    #[must_use]
    pub fn take(fields: &mut Fields<'a>, nodes: StructureNodes) -> Option<Self> {
        let structure = Self {
            region: fields.take(nodes.region),
            asl: fields.take(nodes.asl),
            structure: fields.take(nodes.code),
        };
        let is_there =
            structure.region.is_some() || structure.asl.is_some() || structure.structure.is_some();
        is_there.then_some(structure)
    }
}

impl fmt::Debug for RawStructure<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawStructure(..)")
    }
}
