//! Recursive comparison of a result with a vector, with a tolerance per field name.

use serde_json::Value;
use stats::MissingReason;

/// Converts the `inputs` of a case to a result with the fields of its `expected`.
pub(crate) type Method = fn(&Value) -> Result<Value, MissingReason>;

/// Runs one case. The error lists every field that differs.
pub(crate) fn check(method: Method, case: &Value) -> Result<(), String> {
    let expected = &case["expected"];
    let missing = expected["status"] == "undefined";
    let answer = match method(&case["inputs"]) {
        Ok(answer) => answer,
        Err(_) if missing => return Ok(()),
        Err(reason) => return Err(format!("no result: {reason}")),
    };
    if missing && answer["status"] != "undefined" {
        return Err(format!(
            "expected no result ({}), got {answer}",
            expected["reason"]
        ));
    }
    let mut faults = Vec::new();
    let mut comparison = Comparison {
        tolerance: &case["tolerance"],
        lenient: missing,
        faults: &mut faults,
    };
    comparison.compare("", "default", expected, &answer);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

struct Comparison<'a> {
    tolerance: &'a Value,
    /// Compares only the fields that the result has. It is set if the expected status is "undefined".
    lenient: bool,
    faults: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, path: &str, leaf: &str, expected: &Value, got: &Value) {
        match expected {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let informative = path.is_empty()
                        && matches!(
                            name.as_str(),
                            "status" | "reason" | "relative_se_gbstats_0_8_0"
                        );
                    if informative || (self.lenient && got.get(name).is_none()) {
                        continue;
                    }
                    let got = got.get(name).unwrap_or(&Value::Null);
                    self.compare(&format!("{path}.{name}"), name, value, got);
                }
            }
            Value::Array(items) => {
                let given = got.as_array().map_or(0, Vec::len);
                if given != items.len() {
                    self.faults
                        .push(format!("{path}: {given} items, not {}", items.len()));
                    return;
                }
                for (index, item) in items.iter().enumerate() {
                    self.compare(&format!("{path}.{index}"), leaf, item, &got[index]);
                }
            }
            // The decision depends on the last bit, so the vector does not assert it.
            Value::Null if leaf == "rejected" => {}
            // The vector has no value of the noncentral t distribution.
            Value::Null if leaf == "t" => {}
            Value::Number(number) => self.number(path, leaf, number.as_f64(), got.as_f64()),
            _ if expected != got => self.faults.push(format!("{path}: {got}, not {expected}")),
            _ => {}
        }
    }

    fn number(&mut self, path: &str, leaf: &str, expected: Option<f64>, got: Option<f64>) {
        let (Some(expected), Some(got)) = (expected, got) else {
            self.faults
                .push(format!("{path}: {got:?}, not {expected:?}"));
            return;
        };
        let tolerance = match &self.tolerance[leaf] {
            Value::Null => &self.tolerance["default"],
            own => own,
        };
        let part = |name: &str| tolerance[name].as_f64().unwrap_or(0.0);
        let allowed = (part("rtol") * expected.abs()).max(part("atol"));
        let off = (got - expected).abs();
        if off > allowed || off.is_nan() {
            self.faults.push(format!(
                "{path}: {got:e}, not {expected:e} (off {off:e} > {allowed:e})"
            ));
        }
    }
}
