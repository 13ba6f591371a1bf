// Submits with node's `soap` from the served WSDL, and checks what comes back. Input and output are those of zeep_client.py.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const https = require('node:https');
const soap = require('soap');

const told = JSON.parse(fs.readFileSync(0, 'utf8'));
const endpoint = `${told.address}/soap/v1/invioEsecuzioneTest`;
const ca = fs.readFileSync(told.authority);
const byCertificate = told.certificate !== null;
const agent = new https.Agent({ ca });

const [codiceRegione, codiceAsl, codiceStruttura] = told.structure.split('-');
const base = {
  ...(byCertificate ? { tipoAutenticazione: '2F' } : { pinCode: told.pincode }),
  identificativoStruttura: { codiceRegione, codiceAsl, codiceStruttura },
  codiceFiscaleAssistito: told.fiscal_code,
  dataPrelievo: told.today,
  tipologiaTest: 'M',
  esitoTest: 'P',
};

// The message's elements go in the schema's order, whatever the object's.
const order = [
  'tipoAutenticazione', 'pinCode', 'identificativoRichiesta', 'identificativoStruttura', 'descrizioneStruttura', 'codiceFiscaleAssistito',
  'dataPrelievo', 'tipologiaTest', 'esitoTest', 'numeroCellulare', 'contattoEmail',
];

function submission(changes) {
  const values = { ...base, ...changes };
  return Object.fromEntries(order.filter((name) => name in values).map((name) => [name, values[name]]));
}

async function main() {
  const open = () => soap.createClientAsync(`${endpoint}?wsdl`, { endpoint, wsdl_options: { httpsAgent: agent } });
  const anonymous = await open();
  await assert.rejects(anonymous.invioEsecuzioneTestAsync(submission({}), { httpsAgent: agent }), (error) => {
    const { faultcode, faultstring } = error.root.Envelope.Body.Fault;
    const says = byCertificate ? 'Certificato client mancante' : 'Credenziali mancanti';
    return faultcode === 'soap:Client' && faultstring.$value.startsWith(says);
  });

  const client = await open();
  client.setSecurity(
    byCertificate
      ? new soap.ClientSSLSecurity(fs.readFileSync(told.key), fs.readFileSync(told.certificate), ca)
      : new soap.BasicAuthSecurity(told.user, told.password, { httpsAgent: agent }),
  );
  async function submit(esito, codes, changes) {
    const [answer] = await client.invioEsecuzioneTestAsync(submission(changes));
    assert.strictEqual(answer.esito, esito, JSON.stringify(answer));
    assert.deepStrictEqual((answer.listaErrori?.errore ?? []).map((error) => error.codice), codes);
    assert.ok(answer.dataOra instanceof Date && Math.abs(Date.now() - answer.dataOra.getTime()) < 300_000, String(answer.dataOra));
    return answer;
  }
  const positive = await submit('0000', [], { identificativoRichiesta: 'node 1' });
  const again = await submit('0001', ['4001'], { identificativoRichiesta: 'node 1' });
  assert.strictEqual(again.identificativoTransazione, positive.identificativoTransazione);
  assert.strictEqual(again.dataOra.getTime(), positive.dataOra.getTime());
  const negative = await submit('0000', [], { esitoTest: 'N', numeroCellulare: '+393331234567' });
  await submit('9999', ['1311', '1312'], { tipologiaTest: 'R', esitoTest: 'X' });
  console.log([positive, negative].map((answer) => answer.identificativoTransazione).join('\n'));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
