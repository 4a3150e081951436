//! Random draws from a fixed seed, from the distributions that the simulated experiments use.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use stats::JointSample;

pub(crate) struct Draw {
    source: Pcg64Mcg,
    spare: Option<f64>,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            source: Pcg64Mcg::seed_from_u64(seed),
            spare: None,
        }
    }

    /// A uniform number in (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.source.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// A standard normal number, by Marsaglia's polar method.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = x * x + y * y;
            if s < 1.0 && s > 0.0 {
                let scale = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(y * scale);
                return x * scale;
            }
        }
    }

    /// The number of successes among `n`, by inversion in parts of about twenty successes.
    pub(crate) fn binomial(&mut self, n: u64, p: f64) -> u64 {
        let piece = ((20.0 / p) as u64).max(1);
        let mut successes = 0;
        let mut left = n;
        while left > 0 {
            let size = left.min(piece);
            successes += self.small_binomial(size, p);
            left -= size;
        }
        successes
    }

    fn small_binomial(&mut self, n: u64, p: f64) -> u64 {
        let odds = p / (1.0 - p);
        let mut chance = (n as f64 * (-p).ln_1p()).exp();
        let mut rest = self.uniform();
        let mut k = 0;
        while rest > chance && k < n {
            rest -= chance;
            chance *= odds * (n - k) as f64 / (k + 1) as f64;
            k += 1;
        }
        k
    }

    /// A Poisson number with a small mean, by inversion.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let mut chance = (-mean).exp();
        let mut rest = self.uniform();
        let mut k = 0_u32;
        while rest > chance && k < 1_000 {
            rest -= chance;
            k += 1;
            chance *= mean / f64::from(k);
        }
        u64::from(k)
    }

    /// A log-normal number: exp of a normal number with mean 0 and this standard deviation.
    pub(crate) fn log_normal(&mut self, sd: f64) -> f64 {
        (sd * self.normal()).exp()
    }

    /// A chi-square number with at least 2 degrees of freedom, by Marsaglia and Tsang's gamma method.
    fn chi_squared(&mut self, df: f64) -> f64 {
        let d = 0.5 * df - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return 2.0 * d * v;
            }
        }
    }

    /// Sums over `n` users (at least 4) of two standard normal values with this correlation. The sums
    /// are normal, and the sums of squared deviations follow Wishart's distribution (Bartlett's
    /// decomposition).
    pub(crate) fn correlated_sums(&mut self, n: u64, correlation: f64) -> PairSums {
        let size = n as f64;
        let rest = (1.0 - correlation * correlation).sqrt();
        let (u, v) = (self.normal(), self.normal());
        let mean_x = u / size.sqrt();
        let mean_y = (correlation * u + rest * v) / size.sqrt();
        let a = self.chi_squared(size - 1.0).sqrt();
        let b = self.normal();
        let c2 = self.chi_squared(size - 2.0);
        let (xx, xz, zz) = (a * a, a * b, b * b + c2);
        let xy = correlation * xx + rest * xz;
        let yy = correlation * correlation * xx + 2.0 * correlation * rest * xz + rest * rest * zz;
        PairSums {
            n,
            sums: [size * mean_y, size * mean_x],
            products: [
                yy + size * mean_y * mean_y,
                xy + size * mean_x * mean_y,
                xx + size * mean_x * mean_x,
            ],
        }
    }
}

/// Sums and sums of products of two quantities over users, in f64.
#[derive(Clone, Copy, Default)]
pub(crate) struct PairSums {
    pub(crate) n: u64,
    pub(crate) sums: [f64; 2],
    pub(crate) products: [f64; 3],
}

impl PairSums {
    pub(crate) fn add_user(&mut self, x: f64, y: f64) {
        self.add(Self {
            n: 1,
            sums: [x, y],
            products: [x * x, x * y, y * y],
        });
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.n += other.n;
        self.sums
            .iter_mut()
            .zip(other.sums)
            .for_each(|(a, b)| *a += b);
        self.products
            .iter_mut()
            .zip(other.products)
            .for_each(|(a, b)| *a += b);
    }

    pub(crate) fn joint(&self) -> Option<JointSample> {
        JointSample::from_sums(self.n, &self.sums, &self.products).ok()
    }
}

/// Sum and sum of squares of one quantity over users, in f64.
#[derive(Clone, Copy, Default)]
pub(crate) struct ValueSums {
    pub(crate) n: u64,
    pub(crate) sum: f64,
    pub(crate) squares: f64,
}

impl ValueSums {
    /// Adds `n` users. Each buys with probability `p` and spends a log-normal amount.
    pub(crate) fn add_revenue(&mut self, draw: &mut Draw, n: u64, p: f64, sd: f64) {
        self.n += n;
        for _ in 0..draw.binomial(n, p) {
            let amount = draw.log_normal(sd);
            self.sum += amount;
            self.squares += amount * amount;
        }
    }
}
