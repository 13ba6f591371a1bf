//! What a submission costs on its way through SOAP: from the bytes of its body to a judged submission, and from an outcome to
//! the bytes of its answer. The request is of 902 bytes, as the toolkits send them; its rules are the real ones.
//!
//! Measured is the CPU time of the thread, so that what else runs on the machine counts as little as it can.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use sistema_ts::services::call::{Call, Permits};
use sistema_ts::services::submission::rules::{Request, judge};
use sistema_ts::soap::Charset;
use sistema_ts::soap::messages::submission::{ANSWER, REQUEST};
use sistema_ts::soap::{AnswerHead, body_text, decode, encode_answer};
use sistema_ts_model::{Caller, Cun, Finding, Outcome, RegionCode, Timestamp, TransactionId};

/// As PHP's client writes it, with a key, of exactly 902 bytes.
const REQUEST_BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:ns1=\"urn:sistemats:invioEsecuzioneTest:v1\" xmlns:ns2=\"urn:sistemats:tipi:v1\"><SOAP-ENV:Body><ns1:InvioEsecuzioneTestRichiesta><ns1:tipoAutenticazione>2F</ns1:tipoAutenticazione><ns1:identificativoRichiesta>ordine-2020-10-30-0000000000000000000001</ns1:identificativoRichiesta><ns1:identificativoStruttura><ns2:codiceRegione>010</ns2:codiceRegione><ns2:codiceAsl>101</ns2:codiceAsl><ns2:codiceStruttura>000123</ns2:codiceStruttura></ns1:identificativoStruttura><ns1:codiceFiscaleAssistito>RSSMRA80A01H501U</ns1:codiceFiscaleAssistito><ns1:dataPrelievo>2020-10-30</ns1:dataPrelievo><ns1:tipologiaTest>M</ns1:tipologiaTest><ns1:esitoTest>P</ns1:esitoTest><ns1:contattoEmail>prova@esempio.it</ns1:contattoEmail></ns1:InvioEsecuzioneTestRichiesta></SOAP-ENV:Body></SOAP-ENV:Envelope>\n";

fn main() -> ExitCode {
    let Some(bench) = Bench::new() else {
        eprintln!("the values that the benchmark is made of are not valid");
        return ExitCode::FAILURE;
    };
    if bench.read().is_none() {
        eprintln!("the request of the benchmark is not read");
        return ExitCode::FAILURE;
    }
    let mut criterion = Criterion::default()
        .with_measurement(ThreadTime)
        .configure_from_args();
    bench.run(&mut criterion);
    criterion.final_summary();
    ExitCode::SUCCESS
}

struct Bench {
    call: Call,
    cun: Cun,
    at: Timestamp,
}

impl Bench {
    fn new() -> Option<Self> {
        Some(Self {
            call: Call {
                caller: Caller::Region(RegionCode::parse("010").ok()?),
                user: None,
                at: Timestamp::from_millis(1_604_130_000_000)?,
                client_address: Ipv4Addr::LOCALHOST.into(),
                permits: Permits::default(),
            },
            cun: Cun::parse("CUN-59FU36KR46")
                .ok()
                .or_else(|| Cun::from_number(1))?,
            at: Timestamp::from_millis(1_604_130_000_123)?,
        })
    }

    fn read(&self) -> Option<Request> {
        let text = body_text(black_box(REQUEST_BODY).as_bytes(), Charset::Utf8).ok()?;
        judge(decode(&text, &REQUEST).ok()?, &self.call)
            .request
            .ok()
    }

    fn answer(&self, findings: &[Finding]) -> Vec<u8> {
        let head = AnswerHead::new(TransactionId::Cun(self.cun), self.at, findings);
        encode_answer(&ANSWER, &head)
    }

    fn run(&self, criterion: &mut Criterion<ThreadTime>) {
        let mut group = criterion.benchmark_group("soap");
        group.throughput(Throughput::Bytes(REQUEST_BODY.len() as u64));
        group.bench_function("characters", |bencher| {
            bencher.iter(|| body_text(black_box(REQUEST_BODY).as_bytes(), Charset::Utf8).is_ok());
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                let text = body_text(black_box(REQUEST_BODY).as_bytes(), Charset::Utf8).ok()?;
                decode(&text, &REQUEST)
                    .ok()
                    .map(|fields| fields.is_present(0))
            });
        });
        group.bench_function("decode_and_validate", |bencher| {
            bencher.iter(|| self.read())
        });
        group.bench_function("encode_done", |bencher| {
            bencher.iter(|| self.answer(black_box(&[])))
        });
        let mistakes = [
            Finding::on("codiceFiscaleAssistito", Outcome::FiscalCodeCheck),
            Finding::on("esitoTest", Outcome::TestResultUnknown),
        ];
        group.bench_function("encode_two_mistakes", |bencher| {
            bencher.iter(|| self.answer(black_box(&mistakes)));
        });
        group.bench_function("whole", |bencher| {
            bencher.iter(|| (self.read(), self.answer(black_box(&[]))));
        });
        group.finish();
    }
}

/// The CPU time of the calling thread, in nanoseconds.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for the one value that the call writes.
        let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        assert_eq!(status, 0, "this clock exists on every Linux");
        (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
    }

    fn end(&self, start: u64) -> u64 {
        self.start() - start
    }

    fn add(&self, left: &u64, right: &u64) -> u64 {
        left + right
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // Nanoseconds are nanoseconds, whatever clock they come from.
        WallTime.formatter()
    }
}
