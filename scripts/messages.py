"""Writes the SOAP request of a service, as the demonstration and `make run` send it. Made-up people only.

messages.py SERVICE NAME=VALUE..., for example:

    messages.py verificaPositivita tipoAutenticazione=2F codiceFiscaleOperatore=... numeroTesseraSanitaria=... cun=...

Names are those of the WSDL, in its order. A structure is written as identificativoStruttura=010-101-000123, an option of
confermaSbloccoImmuni as opzione=KEY:VALUE. `@PATH` instead of a value reads it from a file, so that no secret stands in a list of
processes.
"""

import sys
from pathlib import Path
from xml.sax.saxutils import escape


def element(prefix, name, content):
    return f"<{prefix}:{name}>{content}</{prefix}:{name}>"


def child(name, value):
    if value.startswith("@"):
        value = Path(value[1:]).read_text().strip()
    if name == "identificativoStruttura":
        parts = zip(("codiceRegione", "codiceAsl", "codiceStruttura"), value.split("-"))
        return element("urn", name, "".join(element("tipi", part, escape(text)) for part, text in parts))
    if name == "opzione":
        parts = zip(("chiave", "valore"), value.split(":", 1))
        option = element("tipi", "opzione", "".join(element("tipi", part, escape(text)) for part, text in parts))
        return element("urn", "opzioni", option)
    return element("urn", name, escape(value))


if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
    sys.exit(__doc__)
service, pairs = sys.argv[1], sys.argv[2:]
message = service[0].upper() + service[1:] + "Richiesta"
print(
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"\n'
    f'    xmlns:urn="urn:sistemats:{service}:v1" xmlns:tipi="urn:sistemats:tipi:v1">\n'
    f"  <soapenv:Body>\n    <urn:{message}>"
)
for pair in pairs:
    print("      " + child(*pair.split("=", 1)))
print(f"    </urn:{message}>\n  </soapenv:Body>\n</soapenv:Envelope>")
