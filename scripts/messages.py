"""Writes the SOAP requests that the demonstration and `make run` send. Made-up people only.

messages.py SERVICE-OPTIONS, for example: messages.py --result P --key demo-1 --description "Drive-in"
"""

import argparse
import datetime
from xml.sax.saxutils import escape

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--result", default="P")
parser.add_argument("--kind", default="M")
parser.add_argument("--fiscal-code", default="BNCLRA75E41F205R")
parser.add_argument("--date", default=str(datetime.date.today() - datetime.timedelta(days=1)))
parser.add_argument("--key")
parser.add_argument("--pincode", help="the caller is a structure, not a region")
parser.add_argument("--structure", help="REGION-ASL-CODE")
parser.add_argument("--description")
parser.add_argument("--mobile")
parser.add_argument("--email")
options = parser.parse_args()


def element(name, value, prefix="urn"):
    return f"<{prefix}:{name}>{escape(value)}</{prefix}:{name}>" if value is not None else ""


structure = None
if options.structure:
    region, asl, code = options.structure.split("-")
    structure = (
        "<urn:identificativoStruttura>"
        + element("codiceRegione", region, "tipi")
        + element("codiceAsl", asl, "tipi")
        + element("codiceStruttura", code, "tipi")
        + "</urn:identificativoStruttura>"
    )

lines = [
    None if options.pincode else element("tipoAutenticazione", "2F"),
    element("pinCode", options.pincode),
    element("identificativoRichiesta", options.key),
    structure,
    element("descrizioneStruttura", options.description),
    element("codiceFiscaleAssistito", options.fiscal_code),
    element("dataPrelievo", options.date),
    element("tipologiaTest", options.kind),
    element("esitoTest", options.result),
    element("numeroCellulare", options.mobile),
    element("contattoEmail", options.email),
]
print(
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"\n'
    '    xmlns:urn="urn:sistemats:invioEsecuzioneTest:v1" xmlns:tipi="urn:sistemats:tipi:v1">\n'
    "  <soapenv:Body>\n    <urn:InvioEsecuzioneTestRichiesta>"
)
for line in filter(None, lines):
    print("      " + line)
print("    </urn:InvioEsecuzioneTestRichiesta>\n  </soapenv:Body>\n</soapenv:Envelope>")
