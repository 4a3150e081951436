//! The usage of DynamoDB: calls and capacity units, as DynamoDB reports them.
//!
//! Costs are part of the contract: a returning user costs one call and half a read unit. They are counted here, logged
//! with every request, and compared with the contract by a test.

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls and capacity since the start of the process.
#[derive(Debug, Default)]
pub struct Usage {
    calls: AtomicU64,
    read_tenths: AtomicU64,
    write_tenths: AtomicU64,
}

/// A reading of [`Usage`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Requests sent, retries included.
    pub calls: u64,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
}

impl std::ops::Sub for Reading {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            read_units: self.read_units - earlier.read_units,
            write_units: self.write_units - earlier.write_units,
        }
    }
}

impl Usage {
    /// The usage until now.
    pub fn reading(&self) -> Reading {
        #[expect(
            clippy::cast_precision_loss,
            reason = "tenths of units, far below 2^53"
        )]
        let units = |tenths: &AtomicU64| tenths.load(Ordering::Relaxed) as f64 / 10.0;
        Reading {
            calls: self.calls.load(Ordering::Relaxed),
            read_units: units(&self.read_tenths),
            write_units: units(&self.write_tenths),
        }
    }

    /// Adds the capacity of a read.
    pub fn read(&self, capacity: Option<&ConsumedCapacity>) {
        add(&self.read_tenths, capacity);
    }

    /// Adds the capacity of a write.
    pub fn wrote(&self, capacity: Option<&ConsumedCapacity>) {
        add(&self.write_tenths, capacity);
    }
}

fn add(total: &AtomicU64, capacity: Option<&ConsumedCapacity>) {
    let units = capacity
        .and_then(ConsumedCapacity::capacity_units)
        .unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    total.fetch_add((units * 10.0).round() as u64, Ordering::Relaxed);
}

/// Counts every request of the client.
#[derive(Debug)]
pub(super) struct CountCalls(pub(super) Arc<Usage>);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
