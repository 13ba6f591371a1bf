//! At which times requests are due: any rate over time, evenly spaced or as people come.

use std::time::Duration;

use crate::callers::people::Numbers;

/// A stretch of time in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// How long, in seconds; more than 0.
    pub seconds: f64,
    /// Requests a second at its beginning.
    pub from: f64,
    /// And at its end; not both are 0.
    pub to: f64,
}

impl Stage {
    /// How many requests are due in it.
    #[must_use]
    pub fn requests(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    /// After how many seconds `count` requests were due; `count` is at most [`Stage::requests`].
    fn time_of(&self, count: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        // Solves from·t + slope·t²/2 = count in the form that is exact also when the slope is nothing.
        let root = (self.from * self.from + 2.0 * slope * count)
            .max(0.0)
            .sqrt();
        let time = 2.0 * count / (self.from + root);
        if time.is_finite() {
            time.min(self.seconds)
        } else {
            0.0
        }
    }
}

/// The times of a stream's requests, one after another.
#[derive(Debug, Clone)]
pub struct Arrivals {
    stages: Vec<Stage>,
    stage: usize,
    /// Seconds at which the stage begins.
    stage_start: f64,
    /// Requests that are due before the next one, within the stage.
    due: f64,
    spacing: Spacing,
}

/// How requests are spaced at a rate.
#[derive(Debug, Clone)]
pub enum Spacing {
    /// Evenly.
    Even,
    /// As a Poisson process.
    Poisson(Numbers),
}

impl Arrivals {
    /// From the first stage to the last.
    #[must_use]
    pub fn new(stages: Vec<Stage>, spacing: Spacing) -> Self {
        let mut arrivals = Self {
            stages,
            stage: 0,
            stage_start: 0.0,
            due: 0.0,
            spacing,
        };
        // An even stream begins with a request; one of people begins somewhere between two.
        if matches!(arrivals.spacing, Spacing::Poisson(_)) {
            arrivals.due = arrivals.gap();
        }
        arrivals
    }

    fn gap(&mut self) -> f64 {
        match &mut self.spacing {
            Spacing::Even => 1.0,
            // From (0, 1]: the logarithm of 0 is nothing to wait for.
            Spacing::Poisson(numbers) => {
                -(((numbers.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64).ln()
            }
        }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    /// When the next request is due, from the beginning; `None` after the last.
    fn next(&mut self) -> Option<Duration> {
        loop {
            let stage = *self.stages.get(self.stage)?;
            let in_stage = stage.requests();
            // A request that rounding puts at the very end belongs to the next stage, or to none.
            if self.due < in_stage - 1e-6 {
                let at = self.stage_start + stage.time_of(self.due);
                self.due += self.gap();
                return Some(Duration::from_secs_f64(at));
            }
            self.due = (self.due - in_stage).max(0.0);
            self.stage_start += stage.seconds;
            self.stage += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure: more or fewer requests than the stages say, at other times, or two streams of one seed that differ.

    use super::*;

    impl Stage {
        const fn constant(seconds: f64, per_second: f64) -> Self {
            Self {
                seconds,
                from: per_second,
                to: per_second,
            }
        }
    }

    fn times(stages: &[Stage], spacing: Spacing) -> Vec<f64> {
        Arrivals::new(stages.to_vec(), spacing)
            .map(|time| time.as_secs_f64())
            .collect()
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-6
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_from_the_first_moment() {
        let times = times(&[Stage::constant(2.0, 100.0)], Spacing::Even);
        assert_eq!(times.len(), 200);
        for (number, time) in times.iter().enumerate() {
            assert!(close(*time, number as f64 / 100.0), "{number}: {time}");
        }
    }

    #[test]
    fn a_ramp_has_its_area_and_grows_denser() {
        let stage = Stage {
            seconds: 10.0,
            from: 0.0,
            to: 100.0,
        };
        let times = times(&[stage], Spacing::Even);
        assert_eq!(times.len(), 500);
        // n = 5·t² requests are due by t.
        for (number, time) in times.iter().enumerate() {
            assert!(close(5.0 * time * time, number as f64), "{number}: {time}");
        }
    }

    #[test]
    fn steps_follow_each_other_without_a_gap() {
        let stages = [
            Stage::constant(1.0, 10.0),
            Stage::constant(1.0, 100.0),
            Stage::constant(1.0, 10.0),
        ];
        let times = times(&stages, Spacing::Even);
        assert_eq!(times.len(), 120);
        let in_second = |second: f64| {
            times
                .iter()
                .filter(|time| (second..second + 1.0).contains(*time))
                .count()
        };
        assert_eq!(
            [in_second(0.0), in_second(1.0), in_second(2.0)],
            [10, 100, 10]
        );
        assert!(times.is_sorted());
    }

    #[test]
    fn a_stage_without_requests_takes_its_time_and_sends_nothing() {
        let stages = [Stage::constant(3.0, 0.0), Stage::constant(1.0, 5.0)];
        let times = times(&stages, Spacing::Even);
        assert_eq!(times.len(), 5);
        assert!(close(times[0], 3.0), "{}", times[0]);
    }

    #[test]
    fn people_come_at_the_rate_irregularly_and_again_alike_for_the_same_seed() {
        let poisson = |seed| {
            times(
                &[Stage::constant(100.0, 100.0)],
                Spacing::Poisson(Numbers::new(seed)),
            )
        };
        let times = poisson(1);
        // Ten thousand, of which the standard deviation is a hundred: the seed is fixed, so this is one number.
        assert!((9_600..10_400).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // The deviation of an exponential is its mean; that of an even stream is 0.
        assert!(
            (0.9..1.1).contains(&(variance.sqrt() / mean)),
            "{}",
            variance.sqrt() / mean
        );
        assert_eq!(times, poisson(1));
        assert_ne!(times, poisson(2));
    }
}
