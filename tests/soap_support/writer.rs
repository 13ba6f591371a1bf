//! An independent writer of requests: it shares nothing with the server's own code, and writes the same values in as many ways
//! as XML and SOAP allow. Which way is told by a list of bytes, so that a failing case shrinks to a plain one.

/// The bytes that decide, in order; when they run out, the plainest way is taken.
pub struct Choices {
    bytes: Vec<u8>,
    next: usize,
}

impl Choices {
    /// A writer's will.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }

    /// One of `count` ways; 0 is the plainest.
    fn of(&mut self, count: usize) -> usize {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        usize::from(byte) % count
    }

    fn yes(&mut self) -> bool {
        self.of(4) == 3
    }

    fn pick<'a>(&mut self, ways: &[&'a str]) -> &'a str {
        ways[self.of(ways.len())]
    }
}

/// Element, whether it is one of the structure's, whether it is required, and its value.
pub type ElementValue = (&'static str, bool, bool, Option<String>);

/// The elements of a submission with their values; `None` leaves one out, or writes it empty.
#[derive(Clone, Debug)]
pub struct Values {
    /// In the order of the schema.
    pub elements: Vec<ElementValue>,
}

/// The elements, whether each is inside `identificativoStruttura`, and whether it is required.
pub const ELEMENTS: [(&str, bool, bool); 13] = [
    ("tipoAutenticazione", false, false),
    ("pinCode", false, false),
    ("identificativoRichiesta", false, false),
    ("codiceRegione", true, true),
    ("codiceAsl", true, true),
    ("codiceStruttura", true, true),
    ("descrizioneStruttura", false, false),
    ("codiceFiscaleAssistito", false, true),
    ("dataPrelievo", false, true),
    ("tipologiaTest", false, true),
    ("esitoTest", false, true),
    ("numeroCellulare", false, false),
    ("contattoEmail", false, false),
];

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const SERVICE: &str = "urn:sistemats:invioEsecuzioneTest:v1";
const TYPES: &str = "urn:sistemats:tipi:v1";

/// How the elements of one namespace are written: a prefix (empty: as default), declared on the envelope or where used.
#[derive(Clone)]
struct Naming {
    prefix: String,
    uri: &'static str,
    local: bool,
}

impl Naming {
    fn choose(choices: &mut Choices, uri: &'static str, usual: &str) -> Self {
        let prefix = match choices.of(5) {
            0 | 1 => usual.to_owned(),
            2 => format!("{usual}-x.1"),
            3 => format!("_{usual}à"),
            _ => String::new(),
        };
        // A default namespace must be declared where it is used, or others would inherit it.
        let local = prefix.is_empty() || choices.yes();
        Self { prefix, uri, local }
    }

    fn name(&self, local: &str) -> String {
        if self.prefix.is_empty() {
            local.to_owned()
        } else {
            format!("{}:{local}", self.prefix)
        }
    }

    fn declaration(&self, choices: &mut Choices) -> String {
        let name = if self.prefix.is_empty() {
            "xmlns".to_owned()
        } else {
            format!("xmlns:{}", self.prefix)
        };
        attribute(choices, &name, self.uri)
    }
}

fn attribute(choices: &mut Choices, name: &str, value: &str) -> String {
    let quote = choices.pick(&["\"", "'"]);
    let equals = choices.pick(&["=", " = ", "=\n"]);
    let space = choices.pick(&[" ", "  ", "\n\t", "\r\n"]);
    let value = if choices.yes() {
        value.replace(':', "&#x3a;")
    } else {
        value.to_owned()
    };
    format!("{space}{name}{equals}{quote}{value}{quote}")
}

fn blank(choices: &mut Choices) -> String {
    let mut blank = choices.pick(&["", "", "\n  ", " ", "\r\n\t"]).to_owned();
    if choices.yes() {
        blank.push_str(choices.pick(&["<!-- a comment: <b> & -->", "<!---->"]));
        blank.push_str(choices.pick(&["", "\n"]));
    }
    blank
}

/// Writes a value in some of the ways in which XML can.
fn value(choices: &mut Choices, text: &str) -> String {
    let mut out = choices.pick(&["", "", " ", "\n\t", "&#32;"]).to_owned();
    let mut in_cdata = false;
    for character in text.chars() {
        let way = choices.of(16);
        if way == 15 && !in_cdata && !matches!(character, '\r' | '>') {
            out.push_str("<![CDATA[");
            in_cdata = true;
        }
        if in_cdata && (way == 14 || matches!(character, '\r' | '>')) {
            out.push_str("]]>");
            in_cdata = false;
        }
        if in_cdata {
            out.push(character);
            continue;
        }
        if way == 13 {
            out.push_str("<!--x-->");
        }
        match (character, way) {
            ('&', _) => out.push_str("&amp;"),
            ('<', _) => out.push_str("&lt;"),
            ('>', _) => out.push_str("&gt;"),
            ('"', 10) => out.push_str("&quot;"),
            ('\'', 10) => out.push_str("&apos;"),
            ('\r', _) => out.push_str("&#xD;"),
            (_, 12) => out.push_str(&format!("&#{};", u32::from(character))),
            (_, 11) => out.push_str(&format!("&#x{:x};", u32::from(character))),
            ('\n', 9) => out.push_str("\r\n"),
            _ => out.push(character),
        }
    }
    if in_cdata {
        out.push_str("]]>");
    }
    out.push_str(choices.pick(&["", "", " ", "\r\n"]));
    out
}

struct Writer<'c> {
    choices: &'c mut Choices,
    instance: Naming,
    out: String,
}

impl Writer<'_> {
    fn open(&mut self, naming: &Naming, local: &str, attributes: &str, empty: bool) {
        let mut parts = vec![attributes.to_owned()];
        if naming.local {
            parts.push(naming.declaration(self.choices));
        }
        if self.choices.yes() {
            parts.reverse();
        }
        let end = self.choices.pick(&["", "", " ", "\n"]);
        let close = if empty { "/>" } else { ">" };
        self.out.push_str(&format!(
            "<{}{}{end}{close}",
            naming.name(local),
            parts.concat()
        ));
    }

    fn close(&mut self, naming: &Naming, local: &str) {
        let end = self.choices.pick(&["", "", " "]);
        self.out
            .push_str(&format!("</{}{end}>", naming.name(local)));
    }

    fn leaf(&mut self, naming: &Naming, local: &str, text: Option<&str>) {
        let mut attributes = String::new();
        let instance = self.instance.prefix.clone();
        if self.choices.yes() {
            attributes = attribute(self.choices, &format!("{instance}:type"), "xs:string");
        }
        match text {
            Some(text) => {
                self.open(naming, local, &attributes, false);
                let written = value(self.choices, text);
                self.out.push_str(&written);
                self.close(naming, local);
            }
            None => {
                if self.choices.yes() {
                    attributes += &attribute(self.choices, &format!("{instance}:nil"), "true");
                }
                if self.choices.yes() {
                    self.open(naming, local, &attributes, false);
                    let blank = blank(self.choices);
                    self.out.push_str(&blank);
                    self.close(naming, local);
                } else {
                    self.open(naming, local, &attributes, true);
                }
            }
        }
    }

    fn blank(&mut self) {
        let blank = blank(self.choices);
        self.out.push_str(&blank);
    }
}

/// Writes a request with these values.
pub fn write(choices: &mut Choices, values: &Values) -> String {
    let soap = Naming::choose(choices, SOAP, "soapenv");
    let service = Naming::choose(choices, SERVICE, "ns1");
    let types = Naming::choose(choices, TYPES, "ns2");
    let instance = Naming {
        prefix: choices.pick(&["xsi", "i"]).to_owned(),
        uri: INSTANCE,
        local: false,
    };
    let mut writer = Writer {
        choices,
        instance: instance.clone(),
        out: String::new(),
    };
    let start = writer.choices.pick(&[
        "",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml version='1.0'?>\n",
        "\u{FEFF}",
        "\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
        "\n<!-- first -->",
    ]);
    writer.out.push_str(start);

    let mut declarations = instance.declaration(writer.choices);
    for naming in [&soap, &service, &types] {
        if !naming.local {
            declarations += &naming.declaration(writer.choices);
        }
    }
    writer.open(&soap, "Envelope", &declarations, false);
    writer.blank();
    if writer.choices.yes() {
        writer.open(&soap, "Header", "", false);
        writer.out.push_str(
            writer
                .choices
                .pick(&["", "<h xmlns='urn:h'>x<i a='b'/></h>"]),
        );
        writer.close(&soap, "Header");
        writer.blank();
    }
    writer.open(&soap, "Body", "", false);
    writer.blank();
    writer.open(&service, "InvioEsecuzioneTestRichiesta", "", false);

    // Which elements are written: one without a value may be left out, unless the schema requires it.
    let (structure, others): (Vec<_>, Vec<_>) = values
        .elements
        .iter()
        .partition(|(_, in_structure, ..)| *in_structure);
    let has_structure = structure.iter().any(|(.., text)| text.is_some());
    let mut children: Vec<Option<&ElementValue>> = Vec::new();
    for element in others {
        let (_, _, required, text) = element;
        if *required || text.is_some() || writer.choices.yes() {
            children.push(Some(element));
        }
    }
    if has_structure || writer.choices.yes() {
        // `None` stands for the structure.
        children.insert(children.len().min(1), None);
    }
    for index in (1..children.len()).rev() {
        if writer.choices.yes() {
            let other = writer.choices.of(index + 1);
            children.swap(index, other);
        }
    }
    for child in children {
        writer.blank();
        if let Some((local, _, _, text)) = child {
            writer.leaf(&service, local, text.as_deref());
            continue;
        }
        writer.open(&service, "identificativoStruttura", "", false);
        for (local, _, _, text) in &structure {
            if text.is_some() || has_structure || writer.choices.yes() {
                writer.blank();
                writer.leaf(&types, local, text.as_deref());
            }
        }
        writer.blank();
        writer.close(&service, "identificativoStruttura");
    }
    writer.blank();
    writer.close(&service, "InvioEsecuzioneTestRichiesta");
    writer.blank();
    writer.close(&soap, "Body");
    writer.blank();
    writer.close(&soap, "Envelope");
    writer.out
}
