//! The one catalogue of outcomes: what a service answers to a request that reached it.
//!
//! An answer carries a [`Verdict`](crate::Verdict) (`esito`) and, for everything worth telling, a [`Finding`](crate::Finding)
//! (`errore`): an [`Outcome`] of this catalogue and the element that it is about. Codes are stable: once published, a code keeps
//! its meaning for ever and is never given to another outcome. Texts are Italian, short, say what to do, and never echo a value.
//! `docs/esiti.md` is made from this table and checked against it in the tests.
//!
//! Codes go by family: `1…` what was typed, `2…` who is calling, `3…` whether person, code and card belong together and how the
//! test stands, `4…` requests sent again under their key, `5…` what the Immuni backend said.

/// Whether a finding stops the request (`tipo` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// `E`: the request was not carried out.
    Error,
    /// `W`: the request was carried out, and this is worth knowing.
    Warning,
}

impl Severity {
    /// The letter on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "E",
            Self::Warning => "W",
        }
    }
}

/// The family of an outcome, which says who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A value or a combination of values of the message (`1…`).
    Message,
    /// Who the caller is, what it may do, and how much of it (`2…`).
    Caller,
    /// Whether person, code and card belong together, and how the test stands (`3…`).
    Test,
    /// A request sent again with its key (`4…`).
    RequestKey,
    /// What the Immuni backend said to a one-time code, or did not (`5…`).
    Backend,
}

/// Makes the enumeration and its table from one list, so that neither can hold an entry that the other lacks.
macro_rules! catalogue {
    ($( $(#[doc = $meaning:literal])+ $name:ident = $code:literal, $family:ident, $severity:ident, $text:literal, $advice:literal; )+) => {
        /// Every outcome that a service can answer with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Outcome {
            $( $(#[doc = $meaning])+ $name, )+
        }

        impl Outcome {
            /// The whole catalogue, in order of code.
            pub const ALL: &'static [Self] = &[$( Self::$name, )+];

            /// The four digits on the wire (`codice`). Stable for ever.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )+ }
            }

            /// The outcome that has these four digits.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|outcome| outcome.code() == code)
            }

            /// The family, which the first digit of the code repeats.
            pub const fn family(self) -> Family {
                match self { $( Self::$name => Family::$family, )+ }
            }

            /// Whether it stops the request.
            pub const fn severity(self) -> Severity {
                match self { $( Self::$name => Severity::$severity, )+ }
            }

            /// The Italian text on the wire (`descrizione`). It never holds a value of the request.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }

            /// For the documentation: what the caller's engineer should do.
            pub const fn advice(self) -> &'static str {
                match self { $( Self::$name => $advice, )+ }
            }

            /// The name in code, which metrics use as a label.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )+ }
            }
        }
    };
}

catalogue! {
    /// A required element is there but empty, or nil.
    FieldRequired = "1001", Message, Error,
        "Campo obbligatorio non valorizzato: indicarlo.",
        "Fill the element named in `campo`.";
    /// A certificate caller did not say how its user was authenticated (§2.3).
    AuthenticationKindRequired = "1011", Message, Error,
        "Con il certificato il tipo di autenticazione è obbligatorio: indicare 2F, CNS, CIE o SPID.",
        "Say how the person at the keyboard was authenticated by your own system.";
    /// The kind of authentication is not one of the four.
    AuthenticationKindUnknown = "1012", Message, Error,
        "Tipo di autenticazione non previsto: indicare 2F, CNS, CIE o SPID.",
        "Send one of the four values, in capitals.";
    /// A Basic caller sent the kind of authentication, which is for certificates.
    AuthenticationKindNotAllowed = "1013", Message, Error,
        "Il tipo di autenticazione non va indicato con utente e password: toglierlo.",
        "Leave the element out when calling with Basic.";
    /// A certificate caller sent a pincode, which is for Basic.
    PinCodeNotAllowed = "1015", Message, Error,
        "Il pincode non va indicato con il certificato: toglierlo.",
        "Leave the element out when calling with a certificate.";
    /// A certificate caller did not name its operator (§5.2).
    OperatorRequired = "1016", Message, Error,
        "Con il certificato il codice fiscale dell'operatore è obbligatorio: indicarlo.",
        "Send the fiscal code of the person at the keyboard, registered beforehand.";
    /// The request key is not 1 to 64 printable ASCII characters.
    RequestKeyMalformed = "1021", Message, Error,
        "Identificativo della richiesta non valido: da 1 a 64 caratteri ASCII stampabili.",
        "Use a key of your own within those bounds, a UUID for example.";
    /// A region named neither the structure's identifier nor its description (Table 2).
    StructureRequired = "1101", Message, Error,
        "Struttura mancante: indicare l'identificativo oppure la descrizione.",
        "Send the identifier if the structure is registered, else its description.";
    /// A region named both the identifier and the description (Table 2).
    StructureTwice = "1102", Message, Error,
        "Identificativo e descrizione della struttura sono in alternativa: indicarne uno solo.",
        "Keep the identifier if the structure is registered.";
    /// A structure did not send its own identifier (Table 2).
    StructureIdentifierRequired = "1103", Message, Error,
        "Dalla struttura l'identificativo della struttura è obbligatorio: indicarlo.",
        "Send the three codes that Sistema TS gave to the structure.";
    /// A structure sent a description, which is for regions (Table 2).
    StructureDescriptionNotAllowed = "1104", Message, Error,
        "Dalla struttura la descrizione non va valorizzata: toglierla.",
        "Leave the element out; the identifier is enough.";
    /// The region's code is not one of the twenty-one.
    RegionCodeUnknown = "1105", Message, Error,
        "Codice regione non valido: tre cifre di una regione o provincia autonoma (041 Bolzano, 042 Trento).",
        "Send three digits with their leading zero, 010 to 200.";
    /// The ASL's code is not three digits.
    AslCodeMalformed = "1106", Message, Error,
        "Codice ASL non valido: tre cifre, zeri iniziali compresi.",
        "Send three digits.";
    /// The structure's code is not 1 to 6 letters or digits.
    StructureCodeMalformed = "1107", Message, Error,
        "Codice struttura non valido: da 1 a 6 lettere o cifre.",
        "Send the code as Sistema TS gave it.";
    /// The structure's description is longer than 256 characters, or holds control characters.
    StructureDescriptionMalformed = "1108", Message, Error,
        "Descrizione della struttura non valida: da 1 a 256 caratteri, senza caratteri di controllo.",
        "Shorten it; it is matched to the letter when the test is cancelled.";
    /// The fiscal code is neither 16 nor 11 characters long.
    FiscalCodeLength = "1201", Message, Error,
        "Codice fiscale di lunghezza errata (16 caratteri, oppure 11 cifre se provvisorio): rileggerlo dalla tessera.",
        "Read the code from the health card again.";
    /// The fiscal code has a character where another kind of character belongs.
    FiscalCodeForm = "1202", Message, Error,
        "Codice fiscale non valido, lettere e cifre non sono al loro posto: rileggerlo dalla tessera (attenzione a O/0, I/1).",
        "Read the code from the health card again; look for O and 0, I and 1.";
    /// The fiscal code's check character is wrong.
    FiscalCodeCheck = "1203", Message, Error,
        "Codice fiscale non valido, il carattere di controllo non corrisponde: rileggerlo dalla tessera.",
        "Read the code from the health card again; one character is probably wrong.";
    /// The fiscal code has lower-case letters.
    FiscalCodeLowerCase = "1204", Message, Error,
        "Codice fiscale in minuscolo: usare lettere maiuscole.",
        "Send the letters in capitals.";
    /// The month or the day of birth in the fiscal code does not exist.
    FiscalCodeBirth = "1205", Message, Error,
        "Codice fiscale non valido: mese o giorno di nascita inesistente.",
        "Read the code from the health card again, from the ninth to the eleventh character.";
    /// An STP or ENI code, which this installation does not take.
    FiscalCodeStpEni = "1206", Message, Error,
        "Codici STP ed ENI non ammessi: il servizio è previsto solo per chi ha un codice fiscale.",
        "Send the person's fiscal code, definitive or provisional.";
    /// A date is not a date.
    DateMalformed = "1301", Message, Error,
        "Data non valida: indicarla come AAAA-MM-GG.",
        "Send an existing day as xs:date; a zone after it is ignored.";
    /// A date lies after today (in Rome).
    DateInFuture = "1302", Message, Error,
        "Data futura: indicare oggi o un giorno precedente.",
        "Check the date and the clock of your system.";
    /// A date lies more than 180 days ago.
    DateTooOld = "1303", Message, Error,
        "Data troppo indietro nel tempo: sono ammessi gli ultimi 180 giorni.",
        "Check the year.";
    /// The kind of test is not `M`.
    TestKindUnknown = "1311", Message, Error,
        "Tipologia del test non prevista: indicare M (tampone molecolare).",
        "Send `M`; other kinds are not collected by this service.";
    /// The result is neither `P` nor `N`.
    TestResultUnknown = "1312", Message, Error,
        "Esito del test non previsto: indicare P (positivo) o N (negativo).",
        "Send one of the two letters, in capitals.";
    /// The mobile number is not `\+?[0-9]{6,15}`.
    MobileNumberMalformed = "1401", Message, Error,
        "Numero di cellulare non valido: da 6 a 15 cifre, con un eventuale + iniziale, senza spazi.",
        "Send digits alone, with the country's prefix after a plus sign if it is foreign.";
    /// The e-mail address is not one.
    EmailAddressMalformed = "1402", Message, Error,
        "Indirizzo e-mail non valido: al massimo 254 caratteri, nella forma nome@dominio.",
        "Correct the address, or leave it out: it is optional.";
    /// Both a mobile number and an e-mail address were sent (Table 2).
    ContactTwice = "1403", Message, Error,
        "Cellulare ed e-mail sono in alternativa: indicarne uno solo.",
        "Keep the contact that the patient prefers.";
    /// A CUN is not made as one: its prefix, its length or its symbols.
    CunMalformed = "1501", Message, Error,
        "CUN non valido: CUN- e 10 caratteri, tra cui mai 0, B, C, D, G, M, N, O, P, T, V. Ricontrollarlo.",
        "Have the code read out again, symbol by symbol; it has no B, C, D, G, M, N, O, P, T, V and no 0.";
    /// A CUN's check symbol is wrong.
    CunCheck = "1502", Message, Error,
        "CUN errato, il carattere di controllo non corrisponde: ricontrollarlo (attenzione a 4/E, 1/I/L, 2/Z, 5/S, U/W).",
        "Have the code read out again; one symbol is probably wrong.";
    /// A CUN, one-time code, card's number or codice fiscale has a letter or digit of another alphabet in it.
    ForeignSymbol = "1505", Message, Error,
        "Il codice contiene una lettera o una cifra di un altro alfabeto, anche se simile a quella giusta: ridigitarlo.",
        "Have it typed anew on an Italian keyboard: it was pasted from somewhere, and holds, say, a Cyrillic letter that looks like a Latin one.";
    /// A one-time code is not made as one.
    OtpMalformed = "1511", Message, Error,
        "Codice OTP non valido: 10 caratteri, tra cui mai 0, B, C, D, G, M, N, O, P, T, V. Ricontrollarlo.",
        "Have the code read out again from the app.";
    /// A one-time code's check symbol is wrong.
    OtpCheck = "1512", Message, Error,
        "Codice OTP errato, il carattere di controllo non corrisponde: ricontrollarlo (attenzione a 4/E, 1/I/L, 2/Z, 5/S, U/W).",
        "Have the code read out again from the app; one symbol is probably wrong.";
    /// The digits of the health card are not eight digits.
    CardDigitsMalformed = "1521", Message, Error,
        "Numero della tessera sanitaria non valido: indicarne le ultime 8 cifre, zeri iniziali compresi.",
        "Read the last eight digits of the number on the back of the card.";
    /// `idVerificaTampone` is not the id of a verification.
    VerificationIdMalformed = "1531", Message, Error,
        "Identificativo della verifica non valido: indicarlo come restituito da verificaPositivita.",
        "Send `idVerificaTampone` as the verification answered it.";
    /// `idTipoComunicazione` is neither `C` nor `A`.
    CommunicationKindUnknown = "1541", Message, Error,
        "Tipo di comunicazione non previsto: indicare C (conferma) o A (annullamento).",
        "Send one of the two letters, in capitals.";
    /// More than ten options were sent.
    OptionsTooMany = "1551", Message, Error,
        "Troppe opzioni: al massimo 10.",
        "Send the ten that matter, or none: they are for your own records.";
    /// An option lacks its key or its value, or one of them is too long.
    OptionMalformed = "1552", Message, Error,
        "Opzione non valida: chiave da 1 a 64 caratteri e valore da 1 a 256.",
        "Give every option a key and a value; never put data of the patient there.";
    /// The interval's last day lies before its first.
    IntervalReversed = "1601", Message, Error,
        "Intervallo non valido: la data di fine precede quella di inizio.",
        "Exchange the two dates.";
    /// The interval is longer than 31 days.
    IntervalTooLong = "1602", Message, Error,
        "Intervallo troppo lungo: al massimo 31 giorni, estremi compresi.",
        "Ask for one interval after the other.";
    /// `massimoElementi` is not a number from 1 to 1,000,000.
    MaximumElementsOutOfRange = "1603", Message, Error,
        "Numero massimo di elementi non valido: da 1 a 1000000.",
        "Leave the element out for at most 25,000 tests in an answer.";
    /// A bookmark is not one, or was given for another caller or other filters.
    BookmarkInvalid = "1604", Message, Error,
        "Segnalibro non valido per questa richiesta: ripetere i filtri della prima, o ricominciare senza segnalibro.",
        "Send the bookmark as it came, with the very same filters; only `massimoElementi` may differ.";
    /// A bookmark is older than 24 hours.
    BookmarkExpired = "1605", Message, Error,
        "Segnalibro scaduto, vale 24 ore: ricominciare l'elenco senza segnalibro.",
        "Begin the listing anew.";
    /// There are more tests than the answer holds.
    MoreTests = "1611", Message, Warning,
        "Elenco incompleto: proseguire con il segnalibro della risposta.",
        "Send the request again with `segnalibro`, until an answer has none.";
    /// The caller is known, but this service is not for it.
    ServiceNotAllowed = "2001", Caller, Error,
        "Servizio non consentito a questo ente o utente: rivolgersi al proprio amministratore di sicurezza.",
        "Check which certificate or user is in use, and its profiles.";
    /// The operator is not registered for this caller.
    OperatorNotRegistered = "2011", Caller, Error,
        "Operatore non censito per questo ente o call center: farlo censire dall'amministratore di sicurezza.",
        "Check the operator's fiscal code; operators are registered beforehand (§3.3).";
    /// The operator is registered but disabled, or has not the profile of this service.
    OperatorNotAllowed = "2012", Caller, Error,
        "Operatore non abilitato a questo servizio: rivolgersi all'amministratore di sicurezza.",
        "Have the operator enabled, or given the profile of this service.";
    /// A Basic caller named an operator other than the credential's own.
    OperatorNotOwn = "2013", Caller, Error,
        "L'operatore indicato non è quello delle credenziali: indicare il proprio codice fiscale.",
        "Send the fiscal code of the user who signs in, or leave it out where it is optional.";
    /// The structure named belongs to another region than the caller.
    StructureOfAnotherRegion = "2101", Caller, Error,
        "La struttura indicata è di un'altra regione: si comunicano solo test della propria.",
        "Check `codiceRegione`, or which region's certificate is in use.";
    /// A structure named another structure than its own.
    StructureNotOwn = "2102", Caller, Error,
        "La struttura indicata non è quella dell'utente: indicare la propria.",
        "Send the identifier of the structure that the user belongs to.";
    /// No structure is registered under the identifier.
    StructureNotRegistered = "2103", Caller, Error,
        "Struttura non censita: verificare i tre codici, oppure indicare la descrizione (solo dalla regione).",
        "Have the structure registered; until then a region may send its description.";
    /// The operator has used up the failed verifications of an hour.
    OperatorAttemptsExhausted = "2201", Caller, Error,
        "Tentativi di verifica esauriti per questo operatore: attendere, al massimo un'ora.",
        "Wait; the count belongs to the operator alone and is told with every failed verification.";
    /// All operators of the caller together have used up the failed verifications of an hour.
    CallerAttemptsExhausted = "2202", Caller, Error,
        "Tentativi di verifica esauriti per questo call center: attendere, al massimo un'ora.",
        "Wait, and find out who guesses: this many failures are no typing mistakes.";
    /// The operator has failed as often for this code as one operator may; whether the code exists is not told.
    OperatorAttemptsOnCodeExhausted = "2203", Caller, Error,
        "Tentativi esauriti per questo operatore su questo CUN: può provare un altro operatore.",
        "Have a colleague verify this CUN, with the patient's card read out anew; other CUNs can be verified as before.";
    /// The operator has sent as many of the ASL's codes as one may within an hour, as whichever users.
    OperatorCodesExhausted = "2204", Caller, Error,
        "Invii di codici OTP esauriti per questo operatore: attendere, al massimo un'ora.",
        "Wait; the count belongs to the operator's fiscal code, over all users and regions. More an hour is a setting of the service.";
    /// Code, card and person do not belong together, or the code cannot be verified now: which, is never told.
    NotVerifiable = "3001", Test, Error,
        "Non verificabile: ricontrollare CUN e ultime 8 cifre della tessera; se giusti, rivolgersi a chi ha comunicato il test.",
        "Have code and card read out again. A code that is negative, cancelled, expired, used or being unlocked looks the same.";
    /// No test of this caller has this code, this person and this structure: which is wrong, is never told.
    NoSuchTest = "3002", Test, Error,
        "Nessun test corrisponde: ricontrollare CUN, codice fiscale e struttura.",
        "Send the CUN with the person and the structure of the submission; only who submitted a test can cancel it.";
    /// This caller has not unlocked this code, or it is not waiting for its confirmation any more.
    NoSuchUnlock = "3003", Test, Error,
        "Nessuno sblocco da confermare o annullare per questo CUN: ricontrollarlo.",
        "Check the CUN; an unlock is confirmed or annulled by the call centre that made it, and a confirmed one is never annulled.";
    /// There is no such verification of this operator.
    NoSuchVerification = "3004", Test, Error,
        "Verifica non trovata per questo operatore: ripetere la verifica.",
        "Only the operator who verified may use `idVerificaTampone`; verify again.";
    /// The verification has lapsed, or its unlock was annulled.
    VerificationClosed = "3005", Test, Error,
        "Verifica scaduta o annullata: ripetere la verifica.",
        "Verify again with the patient on the telephone.";
    /// The given verification is not the one that unlocked the code.
    AnotherVerification = "3006", Test, Error,
        "L'identificativo della verifica non è quello dello sblocco: indicare quello giusto, o toglierlo.",
        "Send the id of the verification that unlocked, or leave it out if the patient is not on the telephone.";
    /// A one-time code is on its way for this code.
    UnlockUnderWay = "3011", Test, Error,
        "Uno sblocco è in corso: riprovare tra qualche secondo.",
        "Repeat the request after ten seconds.";
    /// Another verification has unlocked the code.
    UnlockedByAnother = "3012", Test, Error,
        "Il CUN è già stato sbloccato con un'altra verifica: confermare o annullare quello sblocco.",
        "Confirm or annul the other unlock first.";
    /// Three one-time codes were delivered in the life of the code.
    NoDeliveryLeft = "3013", Test, Error,
        "Per questo CUN sono già stati inviati tre codici OTP, non se ne inviano altri: rivolgersi alla ASL.",
        "Nothing more can be unlocked with this CUN; the ASL can help the patient (§5.1).";
    /// The life of the code is over: consumed, cancelled or expired.
    CodeConcluded = "3014", Test, Error,
        "Il CUN non è più utilizzabile: già usato, annullato o scaduto.",
        "Nothing: personal data of this test are erased.";
    /// The test was cancelled before.
    AlreadyCancelled = "3021", Test, Warning,
        "Test già annullato in precedenza: nulla è cambiato.",
        "Nothing.";
    /// The unlock was confirmed before.
    AlreadyConfirmed = "3022", Test, Warning,
        "Sblocco già confermato in precedenza: nulla è cambiato.",
        "Nothing.";
    /// The unlock was annulled before.
    AlreadyAnnulled = "3023", Test, Warning,
        "Sblocco già annullato in precedenza: nulla è cambiato.",
        "Nothing.";
    /// The same request was received before; this is its first answer again.
    AlreadyReceived = "4001", RequestKey, Warning,
        "Richiesta già acquisita: si ripete la risposta già data, nulla è stato registrato di nuovo.",
        "Nothing: the transaction is the one of the first answer.";
    /// The key was used before for a request with other content.
    RequestKeyReused = "4002", RequestKey, Error,
        "Identificativo già usato con altro contenuto: usarne uno nuovo; per correggere un test inviato, prima annullarlo.",
        "Give every request its own key, and repeat it only with the very same content. To correct a test, cancel it first: sent under a new key without that, there are two.";
    /// The same request was received before, and the person's data have been erased since.
    AlreadyReceivedErased = "4003", RequestKey, Warning,
        "Richiesta già acquisita, dato cancellato: il CUN non è più disponibile.",
        "Nothing: the test was received, and its life is over.";
    /// The test that a repeated request recorded was cancelled in the meantime.
    CancelledMeanwhile = "4004", RequestKey, Warning,
        "Nel frattempo il test è stato annullato.",
        "If the test is valid after all, send it again as a new request.";
    /// The backend has authorised this very code before, in this verification.
    CodeAlreadyAuthorised = "5001", Backend, Warning,
        "Codice OTP già autorizzato: l'assistito può proseguire nell'app.",
        "Go on: the app can upload.";
    /// The backend has authorised this code before, for somebody else.
    CodeAuthorisedElsewhere = "5002", Backend, Error,
        "Immuni: codice OTP già autorizzato in precedenza. Se l'app non prosegue, farle generare un nuovo codice.",
        "It may have been you, by a request whose answer was lost. If the app goes on, all is done; else have it show a new code, and send that.";
    /// The backend has refused the code.
    CodeRefused = "5003", Backend, Error,
        "Immuni: codice OTP o data dei sintomi rifiutati, ricontrollarli.",
        "Have the code read out again, or send a new one.";
    /// The backend cannot be reached; surely nothing was sent.
    BackendUnreachable = "5004", Backend, Error,
        "Immuni non è raggiungibile: nulla è stato inviato, riprovare tra poco.",
        "Repeat the request; the verification stays valid until it lapses.";
    /// The code was sent and no answer settled whether it was authorised.
    DeliveryUnknown = "5005", Backend, Error,
        "Immuni: esito ignoto, il codice può essere stato autorizzato. Se l'app prosegue è riuscito, altrimenti riprovare.",
        "Ask whether the app goes on. If so confirm; if not repeat the request with the same verification.";
}

#[cfg(test)]
mod tests {
    //! Failure here means that two outcomes share a code, that a code left its family, that the order of the catalogue is
    //! not that of its codes, or that a text cannot be shown to a person.
    use super::*;
    use crate::Verdict;

    #[test]
    fn codes_are_four_digits_unique_and_in_order() {
        let codes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        for code in codes {
            assert!(code.len() == 4 && code.bytes().all(|digit| digit.is_ascii_digit()));
        }
    }

    #[test]
    fn the_first_digit_is_the_family() {
        for outcome in Outcome::ALL {
            let first = match outcome.family() {
                Family::Message => '1',
                Family::Caller => '2',
                Family::Test => '3',
                Family::RequestKey => '4',
                Family::Backend => '5',
            };
            assert!(outcome.code().starts_with(first), "{outcome:?}");
        }
    }

    #[test]
    fn no_code_is_also_a_verdict() {
        for verdict in Verdict::ALL {
            assert!(
                Outcome::ALL
                    .iter()
                    .all(|outcome| outcome.code() != verdict.code())
            );
        }
    }

    #[test]
    fn texts_are_short_sentences_of_their_own() {
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            let text = outcome.text();
            assert!(
                text.chars().count() <= 120 && text.ends_with('.'),
                "{outcome:?}: {text}"
            );
            assert!(!outcome.advice().is_empty());
            assert!(
                Outcome::ALL[index + 1..]
                    .iter()
                    .all(|other| other.text() != text)
            );
        }
    }
}
