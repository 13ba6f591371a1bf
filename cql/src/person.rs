//! An ASL's code for a person (§5.1): every live positive of that person is claimed, in the order of the codes, so that of two who claim for one
//! person the first at the first code gets them all. Whoever finds one under way gives back what it has claimed.

use std::collections::BTreeSet;

use sistema_ts_model::{
    ClaimId, CodiceFiscale, Cun, NewClaim, PersonClaimRefusal, PostOutcome, Settlement,
};
use sistema_ts_store::PersonClaim;
use sistema_ts_store::PersonOutcome;
use sistema_ts_store::keys::oldest_live_day;

use crate::core::Core;
use crate::failure::Failure;
use crate::lookup::StoredLife;
use crate::place::decode_cun;
use crate::statement::Statement;
use crate::test_row::TestRow;

impl Core {
    pub(crate) async fn claim_person(
        &self,
        fiscal_code: &CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, Failure> {
        let codes = self.codes_of_person(fiscal_code).await?;
        let looks = codes.into_iter().map(|cun| self.find_living(cun));
        let found = futures_util::future::try_join_all(looks).await?;
        let found: Vec<(TestRow, StoredLife)> = found.into_iter().flatten().collect();
        let is_under_way = |(row, life): &(TestRow, StoredLife)| {
            let step = life
                .life
                .claim_for_person(&row.origin(), claim, self.moment());
            step.answer == Err(PersonClaimRefusal::UnlockUnderWay)
        };
        if found.iter().any(is_under_way) {
            return Ok(PersonOutcome::UnlockUnderWay);
        }
        let mut claimed = PersonClaim::default();
        for (row, life) in found {
            let undone = match self.claim_for_person(&row, life, claim).await {
                Ok(Ok(())) => {
                    claimed.cuns.push(row.cun());
                    continue;
                }
                Ok(Err(PersonClaimRefusal::UnlockUnderWay)) => Ok(PersonOutcome::UnlockUnderWay),
                // Over meanwhile: it goes without it.
                Ok(Err(_)) => continue,
                Err(failure) => Err(failure),
            };
            let settled = self.settle_person(&claimed, claim.id, PostOutcome::NotDelivered);
            settled.await.map_err(Failure::unknown)?;
            return undone;
        }
        Ok(PersonOutcome::Claimed(claimed))
    }

    async fn claim_for_person(
        &self,
        row: &TestRow,
        life: StoredLife,
        claim: NewClaim,
    ) -> Result<Result<(), PersonClaimRefusal>, Failure> {
        // A claim that nobody settles ends the code, and the sweep erases its person.
        self.intend_erasure(row).await?;
        let transition = self.transit(row, life, |life, moment| {
            life.claim_for_person(&row.origin(), claim, moment)
        });
        Ok(transition.await?.answer.map(drop))
    }

    /// The codes of a person's positives, in ascending order: those of all days from which codes live, by whichever server's clock.
    async fn codes_of_person(&self, fiscal_code: &CodiceFiscale) -> Result<BTreeSet<Cun>, Failure> {
        let now = self.now();
        let oldest = oldest_live_day(now).max(self.keys.oldest());
        let newest = now.plus_millis(self.options.clock_error_millis).rome_day();
        let days = oldest.iter_days().take_while(|day| *day <= newest);
        let reads = days.map(|day| async move {
            let tag = self.keys.day(day)?.lookup_tag(fiscal_code);
            let read = self.cluster.read(Statement::ReadTag, (tag.as_slice(),));
            let codes: Vec<(i64,)> = read.await?;
            Ok::<_, Failure>(codes)
        });
        let codes = futures_util::future::try_join_all(reads).await?;
        let codes = codes.into_iter().flatten();
        codes.map(|(code,)| decode_cun(code)).collect()
    }

    pub(crate) async fn settle_person(
        &self,
        person: &PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, Failure> {
        let settling = person
            .cuns
            .iter()
            .map(|cun| self.settle_code(*cun, claim, outcome));
        // Each to its end, whatever becomes of the others.
        let settled = futures_util::future::join_all(settling).await;
        let settled: Vec<bool> = settled.into_iter().collect::<Result<_, _>>()?;
        Ok(settled.into_iter().filter(|consumed| *consumed).count())
    }

    /// Writes what came of a post on one code; answers whether that was consumed by it.
    async fn settle_code(
        &self,
        cun: Cun,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<bool, Failure> {
        let Some((row, life)) = self.find_living(cun).await? else {
            return Ok(false);
        };
        let transition = self.transit(&row, life, |life, moment| {
            life.settle(&row.origin(), claim, outcome, moment)
        });
        let transition = transition.await?;
        let life = &transition.stored.life;
        if transition.written.is_none() && life.state().is_over() {
            // Whoever settled it may have died before the erasure.
            self.see_it_erased(&row, life)
                .await
                .map_err(Failure::unknown)?;
            return Ok(false);
        }
        Ok(life.state().is_over() && transition.answer == Settlement::Written)
    }
}
