//! One walk through all services, on both stores. A failure is an answer, or an access record, in which they differ.

use crate::node::node;
use crate::support::chain::Chain;
use crate::support::installation::{ASL_OPERATOR, CARD, DESK, PATIENT, SECOND_CARD};
use crate::support::session::{Reply, Session};
use crate::support::{Backend, Installation, Message, Submission, fiscal_code, otp};

/// What differs from one run to the next, wherever it stands: identifiers and times.
const OWN_TO_A_RUN: [&str; 6] = [
    "identificativoTransazione",
    "identificativoTest",
    "idVerificaTampone",
    "dataOra",
    "dataInserimento",
    "segnalibro",
];

/// A text with what is a run's own replaced by its element's name.
fn without_own(text: &str) -> String {
    let mut text = text.to_owned();
    for element in OWN_TO_A_RUN {
        let (begin, end) = (format!("{element}>"), "</");
        let mut rest = text.as_str();
        let mut result = String::new();
        while let Some((before, after)) = rest.split_once(&begin) {
            result.push_str(before);
            result.push_str(&begin);
            match after.split_once(end) {
                // An element's beginning: what is in it follows.
                Some((value, _)) if !before.ends_with('/') && !value.contains('<') => {
                    rest = &after[value.len()..];
                    if !value.is_empty() {
                        result.push('…');
                    }
                }
                _ => rest = after,
            }
        }
        result.push_str(rest);
        text = result;
    }
    text
}

/// A walk, and all that was answered on it.
struct Walk {
    chain: Chain,
    told: Vec<(String, String)>,
}

impl Walk {
    fn note(&mut self, what: &str, reply: &Reply) {
        let answer = without_own(reply.0.text());
        self.told.push((what.to_owned(), answer));
    }

    fn submit(&mut self, what: &str, session: &mut Session, submission: &Submission) -> String {
        let reply = session.submit(submission);
        self.note(what, &reply);
        reply.transaction().to_owned()
    }

    fn ask(&mut self, what: &str, session: &mut Session, message: &Message) -> Reply {
        let reply = session.ask(message);
        self.note(what, &reply);
        reply
    }

    fn submissions(&mut self) -> (String, String) {
        let (installation, server) = (&self.chain.installation, &self.chain.server);
        let mut region = Session::region(installation, server, "010");
        let mut other_region = Session::region(installation, server, "020");
        let mut user = Session::user(installation, server);
        let keyed = Submission::by_region().with_key("first");
        let cun = self.submit("a positive", &mut region, &keyed);
        let again = self.submit("the same again", &mut region, &keyed);
        assert_eq!(cun, again, "a repetition has another answer");
        let other = Submission::about(1).with_key("first");
        self.submit("another with its key", &mut region, &other);
        self.submit("a structure's", &mut user, &Submission::by_structure());
        let second = self.submit("a second", &mut region, &Submission::about(2));
        let foreign = Message::cancellation(&second, &fiscal_code(2));
        self.ask("a cancellation by another", &mut other_region, &foreign);
        let wrong = Message::cancellation(&second, &fiscal_code(3));
        self.ask("a cancellation of another person", &mut region, &wrong);
        let right = Message::cancellation(&second, &fiscal_code(2));
        self.ask("a cancellation", &mut region, &right);
        self.ask("the same cancellation again", &mut region, &right);
        self.ask("a list", &mut region, &Message::listing());
        let described = Message::listing().with_description("Laboratorio");
        self.ask("a list of a description", &mut region, &described);
        (cun, second)
    }

    fn verifications(&mut self, cun: &str, cancelled: &str) -> String {
        let mut desk = self.chain.desk();
        let unknown = "CUN-AAAAAAAAA1";
        for (what, card, code) in [
            ("a wrong card", "11111111", cun),
            ("a cancelled code", CARD, cancelled),
            ("a code that is none", CARD, unknown),
            ("a second card", SECOND_CARD, cun),
        ] {
            let message = Message::verification(DESK, card, code);
            self.ask(what, &mut desk, &message);
        }
        let message = Message::verification(DESK, CARD, cun);
        let reply = self.ask("a verification", &mut desk, &message);
        reply.value("idVerificaTampone").to_owned()
    }

    fn unlocks(&mut self, cun: &str, session: &str) {
        let mut desk = self.chain.desk();
        let message = Message::confirmation("C", DESK, cun);
        self.ask("a confirmation before an unlock", &mut desk, &message);
        let message = Message::unlock(DESK, session, &otp(1));
        self.ask("an unlock", &mut desk, &message);
        let message = Message::confirmation("A", DESK, cun);
        self.ask("an annulment", &mut desk, &message);
        self.ask("the same annulment again", &mut desk, &message);
        let message = Message::verification(DESK, CARD, cun);
        let reply = self.ask("a verification after it", &mut desk, &message);
        let session = reply.value("idVerificaTampone").to_owned();
        let message = Message::unlock(DESK, &session, &otp(2));
        self.ask("a second unlock", &mut desk, &message);
        let message = Message::confirmation("C", DESK, cun);
        self.ask("a confirmation", &mut desk, &message);
        self.ask("the same confirmation again", &mut desk, &message);
        let message = Message::verification(DESK, CARD, cun);
        self.ask("a verification of a used code", &mut desk, &message);
        let message = Message::unlock(DESK, &session, &otp(3));
        self.ask("an unlock of a used code", &mut desk, &message);
    }

    fn codes_of_the_asl(&mut self) {
        let (installation, server) = (&self.chain.installation, &self.chain.server);
        let mut region = Session::region(installation, server, "010");
        let mut user = Session::asl_user(installation, server);
        self.submit("a third", &mut region, &Submission::about(4));
        let message = Message::asl_otp_of_user(&otp(4), &fiscal_code(4));
        self.ask("a code of the ASL", &mut user, &message);
        self.ask("the same again", &mut user, &message);
        let message = Message::asl_otp_of_region(ASL_OPERATOR, &otp(5), PATIENT);
        self.ask("a code for nobody", &mut region, &message);
        self.ask("a list in the end", &mut region, &Message::listing());
    }

    fn walk(chain: Chain) -> Vec<(String, String)> {
        let mut walk = Self {
            chain,
            told: Vec::new(),
        };
        let (cun, cancelled) = walk.submissions();
        let session = walk.verifications(&cun, &cancelled);
        walk.unlocks(&cun, &session);
        walk.codes_of_the_asl();
        let records = walk.chain.installation.run(&["audit", "search"]);
        walk.told
            .push(("access records".to_owned(), records_without_own(&records)));
        walk.told
    }
}

/// The records as JSON, in an order of their own, without identifiers and times.
fn records_without_own(text: &str) -> String {
    let own = [
        "accessed_at",
        "ended_at",
        "transaction",
        "session",
        "code",
        "client_address",
    ];
    let mut records: Vec<String> = text
        .lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            let fields = record.as_object_mut().unwrap();
            for (name, value) in fields.iter_mut() {
                if own.contains(&name.as_str()) && !value.is_null() {
                    *value = serde_json::Value::from("…");
                }
            }
            record.to_string()
        })
        .collect();
    records.sort_unstable();
    records.join("\n")
}

#[test]
fn both_stores_answer_the_whole_chain_alike_and_record_the_same_accesses() {
    let Some(cluster) = node() else {
        return;
    };
    // One after the other: the pincodes of an installation are those of the one made last.
    let embedded = Walk::walk(Chain::start());
    let backend = Backend::start();
    let installation = Installation::on_a_cluster(cluster);
    let clustered = Walk::walk(Chain::with(installation, backend));
    assert_eq!(embedded.len(), clustered.len());
    for ((what, one), (_, other)) in embedded.iter().zip(&clustered) {
        assert_eq!(one, other, "the stores differ in {what}");
    }
}
