//! How an answer is compared with a vector: recursively, with a tolerance by field name.

use serde_json::Value;
use stats::MissingReason;

/// From a case's `inputs` to an answer of the shape of its `expected`.
pub(crate) type Method = fn(&Value) -> Result<Value, MissingReason>;

/// Runs one case; the error lists every field that is off.
pub(crate) fn check(method: Method, case: &Value) -> Result<(), String> {
    let expected = &case["expected"];
    let missing = expected["status"] == "missing";
    let answer = match method(&case["inputs"]) {
        Ok(answer) => answer,
        Err(_) if missing => return Ok(()),
        Err(reason) => return Err(format!("no result: {reason}")),
    };
    if missing && answer["status"] != "missing" {
        return Err(format!(
            "expected no result ({}), got {answer}",
            expected["reason"]
        ));
    }
    let mut faults = Vec::new();
    let mut walk = Walk {
        tolerance: &case["tolerance"],
        lenient: missing,
        faults: &mut faults,
    };
    walk.compare("", "default", expected, &answer);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

struct Walk<'a> {
    tolerance: &'a Value,
    /// Beside "missing" only the fields that the engine gives are compared.
    lenient: bool,
    faults: &'a mut Vec<String>,
}

impl Walk<'_> {
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
            // A null decision hangs on the last bit, and is not asserted.
            Value::Null if leaf == "rejected" => {}
            // Nor is the noncentral t where the vectors have none.
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
