//! Every intrinsic function, in both notations.

use assay::template::{LocalNames, Template};

/// The resolved value of `value` in the environment variables of a function.
fn resolved(value: &str) -> Result<Option<String>, String> {
    resolved_with(value, &LocalNames::default())
}

fn resolved_with(value: &str, local: &LocalNames) -> Result<Option<String>, String> {
    let template = format!(
        r#"
Parameters:
  Stage: {{ Type: String, Default: dev }}
  Count: {{ Type: Number, Default: 3 }}
  Names: {{ Type: CommaDelimitedList, Default: "a, b,c" }}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
  Both: !And [!Condition IsDev, !Condition IsProd]
  Either:
    Fn::Or: [Condition: IsDev, Condition: IsProd]
Resources:
  Api: {{ Type: AWS::Serverless::Api, Properties: {{ StageName: !Ref Stage }} }}
  Notes:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{{ AttributeName: id, AttributeType: S }}]
      KeySchema: [{{ AttributeName: id, KeyType: HASH }}]
  Gone: {{ Type: AWS::DynamoDB::Table, Condition: Both, Properties: {{ Nonsense: !ImportValue x }} }}
  Queue: {{ Type: AWS::SQS::Queue }}
  Role: {{ Type: AWS::IAM::Role }}
  Caller:
    Type: AWS::Serverless::Function
    Metadata: {{ BuildProperties: {{ Binary: caller }} }}
    Properties:
      Environment:
        Variables:
          VALUE: {value}
"#
    );
    let template = Template::parse(&template, local).map_err(|error| error.to_string())?;
    assert!(!template.tables.contains_key("Gone"));
    let caller = template.function_of("caller").unwrap();
    Ok(caller.environment.get("VALUE").cloned())
}

#[test]
fn each_function_is_resolved_to_its_local_value() {
    let region = "us-east-1:123456789012";
    for (value, expected) in [
        ("plain", "plain"),
        ("7", "7"),
        ("true", "true"),
        ("!Ref Stage", "dev"),
        ("{ Ref: Stage }", "dev"),
        ("!Ref Count", "3"),
        ("!Ref Notes", "Notes"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "assay-local"),
        (
            "!Sub \"${AWS::Partition}/${AWS::URLSuffix}\"",
            "aws/amazonaws.com",
        ),
        (
            "!GetAtt Notes.Arn",
            &format!("arn:aws:dynamodb:{region}:table/Notes"),
        ),
        (
            "!GetAtt [Notes, Arn]",
            &format!("arn:aws:dynamodb:{region}:table/Notes"),
        ),
        (
            "{ Fn::GetAtt: Notes.StreamArn }",
            &format!("arn:aws:dynamodb:{region}:table/Notes/stream/local"),
        ),
        (
            "!GetAtt Caller.Arn",
            &format!("arn:aws:lambda:{region}:function:Caller"),
        ),
        ("!GetAtt Queue.Arn", &format!("arn:aws:sqs:{region}:Queue")),
        (
            "!Sub \"${Stage}-${Notes}-${Notes.Arn}\"",
            &format!("dev-Notes-arn:aws:dynamodb:{region}:table/Notes"),
        ),
        (
            "!Sub [\"${own}${!kept}\", { own: !Ref Stage }]",
            "dev${kept}",
        ),
        ("{ Fn::Sub: \"no names\" }", "no names"),
        ("!If [IsDev, yes, no]", "yes"),
        ("!If [IsProd, yes, !Sub \"not ${Stage}\"]", "not dev"),
        ("!If [Both, yes, no]", "no"),
        ("!If [Either, yes, no]", "yes"),
        ("{ Fn::If: [IsDev, 1, 2] }", "1"),
        ("!Join [\"-\", [a, !Ref Stage]]", "a-dev"),
        ("!Join [\"/\", !Ref Names]", "a/b/c"),
        ("!Select [1, !Ref Names]", "b"),
    ] {
        assert_eq!(resolved(value), Ok(Some(expected.to_owned())), "{value}");
    }
}

#[test]
fn no_value_removes_the_member() {
    assert_eq!(resolved("!Ref AWS::NoValue"), Ok(None));
    assert_eq!(resolved("!If [IsProd, x, !Ref AWS::NoValue]"), Ok(None));
}

#[test]
fn a_parameter_can_have_another_value() {
    let local = LocalNames::with_parameters([("Stage", "prod")]);
    assert_eq!(
        resolved_with("!If [IsDev, yes, no]", &local),
        Ok(Some("no".to_owned()))
    );
    let local = LocalNames::with_parameters([("Unknown", "x")]);
    assert_eq!(
        resolved_with("x", &local),
        Err("Parameters: Unknown is not defined".to_owned())
    );
}

#[test]
fn an_unresolvable_value_is_an_error_with_its_path() {
    let place = "Resources.Caller.Properties.Environment.Variables.VALUE";
    for (value, complaint) in [
        (
            "!ImportValue other",
            "the intrinsic function ImportValue is not supported",
        ),
        (
            "{ Fn::FindInMap: [a, b, c] }",
            "the intrinsic function FindInMap is not supported",
        ),
        ("!Ref Nothing", "Nothing is not defined"),
        ("!Ref AWS::Nothing", "AWS::Nothing is not defined"),
        ("!GetAtt Notes.Colour", "Notes.Colour is not defined"),
        ("!GetAtt Role.Arn", "Role.Arn is not defined"),
        ("!Sub \"${Nothing}\"", "Nothing is not defined"),
        (
            "!Sub \"${Stage\"",
            "expected a closing brace, found \"${Stage\"",
        ),
        ("!If [Nothing, 1, 2]", "Nothing is not defined"),
        (
            "!If [IsDev, 1]",
            "expected the right number of arguments, found a list",
        ),
        (
            "!Select [9, !Ref Names]",
            "expected an index within the list, found a list",
        ),
        (
            "{ a: b }",
            "expected a string, number or boolean, found a mapping",
        ),
        ("[a]", "expected a string, number or boolean, found a list"),
    ] {
        assert_eq!(
            resolved(value),
            Err(format!("{place}: {complaint}")),
            "{value}"
        );
    }
}

#[test]
fn circular_conditions_are_an_error_and_not_an_endless_loop() {
    let template = "
Conditions: { A: !Not [!Condition B], B: !Not [!Condition A] }
Resources: { Api: { Type: AWS::Serverless::Api, Condition: A } }";
    let error = Template::parse(template, &LocalNames::default()).unwrap_err();
    assert!(error.to_string().contains("circular references"), "{error}");
}
