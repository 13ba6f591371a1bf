import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.xml.ws.BindingProvider;
import jakarta.xml.ws.soap.SOAPFaultException;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.datatype.XMLGregorianCalendar;
import sistemats.annullamentoesecuzionetest.v1.AnnullamentoEsecuzioneTestRichiesta;
import sistemats.annullamentoesecuzionetest.v1.AnnullamentoEsecuzioneTestService;
import sistemats.confermasbloccoimmuni.v1.ConfermaSbloccoImmuniRichiesta;
import sistemats.confermasbloccoimmuni.v1.ConfermaSbloccoImmuniService;
import sistemats.elencotesteffettuati.v1.ElencoTestEffettuatiRichiesta;
import sistemats.elencotesteffettuati.v1.ElencoTestEffettuatiService;
import sistemats.inviocodiceotp.v1.InvioCodiceOtpRichiesta;
import sistemats.inviocodiceotp.v1.InvioCodiceOtpService;
import sistemats.invioesecuzionetest.v1.InvioEsecuzioneTestRichiesta;
import sistemats.invioesecuzionetest.v1.InvioEsecuzioneTestService;
import sistemats.sbloccocodiceimmuni.v1.SbloccoCodiceImmuniRichiesta;
import sistemats.sbloccocodiceimmuni.v1.SbloccoCodiceImmuniService;
import sistemats.tipi.v1.Errore;
import sistemats.tipi.v1.IdentificativoStruttura;
import sistemats.tipi.v1.ListaErrori;
import sistemats.tipi.v1.ObjectFactory;
import sistemats.verificapositivita.v1.VerificaPositivitaRichiesta;
import sistemats.verificapositivita.v1.VerificaPositivitaService;

/**
 * Calls all seven services, on every listener that each has: submits, lists and cancels as a region and a structure, verifies, unlocks and
 * confirms as a call centre, and sends codes as an ASL.
 *
 * <p>Standard input: one JSON object, see {@code tests/system/clients.rs}. Ends with 0 only if every answer was right.
 */
public final class Chain {
    /** One factory for the shared types of all services. */
    private static final ObjectFactory TYPES = new ObjectFactory();

    private final JsonObject told;
    private final XMLGregorianCalendar today;

    private Chain(JsonObject told) throws Exception {
        this.told = told;
        today = day(LocalDate.parse(told.getString("today")));
    }

    public static void main(String[] arguments) throws Exception {
        // Java itself would send a POST again when a connection ends without an answer.
        System.setProperty("sun.net.http.retryPost", "false");
        var chain = new Chain(Json.createReader(System.in).readObject());
        chain.withoutCertificateThereIsAFaultWithItsCode();
        chain.swabs(chain.told.getJsonObject("region"));
        chain.swabs(chain.told.getJsonObject("user"));
        chain.desk();
        chain.asl();
        System.out.flush();
        // Neither toolkit's threads keep the program.
        System.exit(0);
    }

    private void withoutCertificateThereIsAFaultWithItsCode() throws Exception {
        var stranger =
                Json.createObjectBuilder()
                        .add("address", told.getJsonObject("desk").getString("address"))
                        .build();
        var verify = new VerificaPositivitaService().getVerificaPositivitaPort();
        open(verify, stranger, "verificaPositivita");
        try {
            verify.verificaPositivita(new VerificaPositivitaRichiesta());
            throw new AssertionError("served without a certificate");
        } catch (SOAPFaultException fault) {
            var codes = fault.getFault().getDetail().getElementsByTagNameNS("urn:sistemats:tipi:v1", "codice");
            expect(codes.getLength() == 1 && codes.item(0).getTextContent().equals("6021"), fault);
        }
    }

    private void swabs(JsonObject caller) throws Exception {
        boolean byCertificate = caller.containsKey("certificate");
        String kind = byCertificate ? "2F" : null;
        String pinCode = byCertificate ? null : told.getString("pincode");

        var submission = new InvioEsecuzioneTestRichiesta();
        submission.setTipoAutenticazione(kind);
        submission.setPinCode(pinCode);
        submission.setIdentificativoRichiesta("java " + byCertificate);
        submission.setIdentificativoStruttura(structure());
        submission.setCodiceFiscaleAssistito(told.getString("patient"));
        submission.setDataPrelievo(today);
        submission.setTipologiaTest("M");
        submission.setEsitoTest("P");
        var submit = new InvioEsecuzioneTestService().getInvioEsecuzioneTestPort();
        open(submit, caller, "invioEsecuzioneTest");
        var submitted = submit.invioEsecuzioneTest(submission);
        answered("0000", List.of(), submitted.getEsito(), submitted.getListaErrori());
        var at = submitted.getDataOra().toGregorianCalendar().toInstant();
        expect(Duration.between(at, Instant.now()).abs().toMinutes() < 5, at);
        String cun = submitted.getIdentificativoTransazione();
        var again = submit.invioEsecuzioneTest(submission);
        answered("0001", List.of("4001"), again.getEsito(), again.getListaErrori());
        expect(again.getIdentificativoTransazione().equals(cun), again.getIdentificativoTransazione());

        var listing = new ElencoTestEffettuatiRichiesta();
        listing.setTipoAutenticazione(kind);
        listing.setPinCode(pinCode);
        listing.setIdentificativoStruttura(structure());
        listing.setDataInizioIntervallo(today);
        listing.setDataFineIntervallo(today);
        listing.setTipologiaTest("M");
        listing.setIdentificativoUtente(told.getString("lister"));
        var list = new ElencoTestEffettuatiService().getElencoTestEffettuatiPort();
        open(list, caller, "elencoTestEffettuati");
        var listed = list.elencoTestEffettuati(listing);
        answered("0000", List.of(), listed.getEsito(), listed.getListaErrori());
        var tests = listed.getListaTest().getTest();
        var last = tests.get(tests.size() - 1);
        expect(last.getIdentificativoTest().equals(cun) && last.getEsitoTest().equals("P"), last);
        expect(told.getString("structure").endsWith("-" + last.getIdentificativoStruttura().getCodiceStruttura()), last);
        listing.setMassimoElementi(1);
        var first = list.elencoTestEffettuati(listing);
        answered("0001", List.of("1611"), first.getEsito(), first.getListaErrori());
        expect(first.getListaTest().getTest().size() == 1 && first.getSegnalibro() != null, first);
        // A day on which nothing was communicated: an empty list, not none.
        var before = day(LocalDate.parse(told.getString("today")).minusDays(2));
        listing.setDataInizioIntervallo(before);
        listing.setDataFineIntervallo(before);
        var none = list.elencoTestEffettuati(listing);
        answered("0000", List.of(), none.getEsito(), none.getListaErrori());
        expect(none.getListaTest().getTest().isEmpty(), none);

        var cancellation = new AnnullamentoEsecuzioneTestRichiesta();
        cancellation.setTipoAutenticazione(kind);
        cancellation.setPinCode(pinCode);
        cancellation.setIdentificativoStruttura(structure());
        cancellation.setCodiceFiscaleAssistito(told.getString("patient"));
        cancellation.setIdentificativoTransazione(cun);
        cancellation.setTipologiaTest("M");
        var cancel = new AnnullamentoEsecuzioneTestService().getAnnullamentoEsecuzioneTestPort();
        open(cancel, caller, "annullamentoEsecuzioneTest");
        var cancelled = cancel.annullamentoEsecuzioneTest(cancellation);
        answered("0000", List.of(), cancelled.getEsito(), cancelled.getListaErrori());
    }

    private void desk() throws Exception {
        var caller = told.getJsonObject("desk");
        var verification = new VerificaPositivitaRichiesta();
        verification.setTipoAutenticazione("2F");
        verification.setCodiceFiscaleOperatore(told.getString("operator"));
        verification.setNumeroTesseraSanitaria("11111111");
        verification.setCun(told.getString("cun"));
        var verify = new VerificaPositivitaService().getVerificaPositivitaPort();
        open(verify, caller, "verificaPositivita");
        var wrong = verify.verificaPositivita(verification);
        answered("9999", List.of("3001"), wrong.getEsito(), wrong.getListaErrori());
        verification.setNumeroTesseraSanitaria(told.getString("card"));
        var verified = verify.verificaPositivita(verification);
        answered("0000", List.of(), verified.getEsito(), verified.getListaErrori());

        var unlocking = new SbloccoCodiceImmuniRichiesta();
        unlocking.setTipoAutenticazione("2F");
        unlocking.setCodiceOtp(told.getJsonArray("codes").getString(0));
        unlocking.setDataInizioSintomi(today);
        unlocking.setCodiceFiscaleOperatore(told.getString("operator"));
        unlocking.setIdVerificaTampone(verified.getIdVerificaTampone());
        var unlock = new SbloccoCodiceImmuniService().getSbloccoCodiceImmuniPort();
        open(unlock, caller, "sbloccoCodiceImmuni");
        var unlocked = unlock.sbloccoCodiceImmuni(unlocking);
        answered("0000", List.of(), unlocked.getEsito(), unlocked.getListaErrori());

        var confirmation = new ConfermaSbloccoImmuniRichiesta();
        confirmation.setTipoAutenticazione("2F");
        confirmation.setIdTipoComunicazione("C");
        confirmation.setCodiceFiscaleOperatore(told.getString("operator"));
        confirmation.setIdVerificaTampone(verified.getIdVerificaTampone());
        confirmation.setCun(told.getString("cun"));
        var options = TYPES.createOpzioni();
        for (String key : List.of("canale", "tentativi")) {
            var option = TYPES.createOpzione();
            option.setChiave(key);
            option.setValore("1");
            options.getOpzione().add(option);
        }
        confirmation.setOpzioni(options);
        var confirm = new ConfermaSbloccoImmuniService().getConfermaSbloccoImmuniPort();
        open(confirm, caller, "confermaSbloccoImmuni");
        var confirmed = confirm.confermaSbloccoImmuni(confirmation);
        answered("0000", List.of(), confirmed.getEsito(), confirmed.getListaErrori());
        var again = confirm.confermaSbloccoImmuni(confirmation);
        answered("0001", List.of("3022"), again.getEsito(), again.getListaErrori());
    }

    private void asl() throws Exception {
        for (String name : List.of("region", "user")) {
            var caller = told.getJsonObject(name);
            var sending = new InvioCodiceOtpRichiesta();
            if (caller.containsKey("certificate")) {
                sending.setTipoAutenticazione("2F");
                sending.setCodiceFiscaleOperatore(told.getString("asl_operator"));
                sending.setDataInizioSintomi(told.getString("today"));
                sending.setCodiceOtp(told.getJsonArray("codes").getString(1));
            } else {
                sending.setPinCode(told.getString("pincode"));
                sending.setCodiceOtp(told.getJsonArray("codes").getString(2));
            }
            sending.setCodiceFiscaleAssistito(told.getString("patient"));
            var send = new InvioCodiceOtpService().getInvioCodiceOtpPort();
            open(send, caller, "invioCodiceOtp");
            var sent = send.invioCodiceOtp(sending);
            answered("0000", List.of(), sent.getEsito(), sent.getListaErrori());
        }
    }

    private IdentificativoStruttura structure() {
        String[] parts = told.getString("structure").split("-");
        var structure = TYPES.createIdentificativoStruttura();
        structure.setCodiceRegione(parts[0]);
        structure.setCodiceAsl(parts[1]);
        structure.setCodiceStruttura(parts[2]);
        return structure;
    }

    /** Gives a port its address and the caller's credentials. */
    private void open(Object port, JsonObject caller, String service) throws Exception {
        var context = ((BindingProvider) port).getRequestContext();
        String address = caller.getString("address") + "/soap/v1/" + service;
        context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, address);
        if (caller.containsKey("user")) {
            context.put(BindingProvider.USERNAME_PROPERTY, caller.getString("user"));
            context.put(BindingProvider.PASSWORD_PROPERTY, caller.getString("password"));
        }
        Toolkit.secure(port, sslContext(caller));
    }

    private SSLContext sslContext(JsonObject caller) throws Exception {
        var trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("authority", certificates(told.getString("authority"))[0]);
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        var own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        if (caller.containsKey("certificate")) {
            var chain = certificates(caller.getString("certificate"));
            own.setKeyEntry("own", key(caller.getString("key"), chain[0]), new char[0], chain);
        }
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, new char[0]);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static Certificate[] certificates(String file) throws Exception {
        byte[] pem = Files.readAllBytes(Path.of(file));
        var read = CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(pem));
        return read.toArray(new Certificate[0]);
    }

    private static PrivateKey key(String file, Certificate certificate) throws Exception {
        String pem = Files.readString(Path.of(file)).replaceAll("-----[^-]*-----|\\s", "");
        var encoded = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
        return KeyFactory.getInstance(certificate.getPublicKey().getAlgorithm()).generatePrivate(encoded);
    }

    private static XMLGregorianCalendar day(LocalDate day) throws Exception {
        return DatatypeFactory.newInstance().newXMLGregorianCalendar(day.toString());
    }

    private static void answered(String esito, List<String> codes, String found, ListaErrori errors) {
        var told = errors == null ? List.of() : errors.getErrore().stream().map(Errore::getCodice).toList();
        expect(found.equals(esito) && told.equals(codes), found + " " + told);
    }

    private static void expect(boolean right, Object what) {
        if (!right) {
            throw new AssertionError(String.valueOf(what));
        }
    }
}
